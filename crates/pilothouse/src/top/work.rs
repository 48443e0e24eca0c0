//! What waits: for keys, for signals, for the daemon. Each in a thread of its own, all telling one place.

use super::app::{Answer, Ask, Key, News};
use super::overview::Overview;
use crate::ask::{Api, CouldNotAsk, Params, WhereArgs};
use crate::terminal::clean;
use anyhow::{Result, anyhow};
use ph_store::trace::Trace;
use ratatui::crossterm::event::{self, Event as Told, KeyCode, KeyEventKind, KeyModifiers};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// What happened.
pub(super) enum Event {
    Key(Key),
    /// The terminal has another size.
    Resized,
    News(News),
    /// A signal asks to end.
    Stop,
    /// One of the threads has ended; why, if that is an error.
    Gone(String),
}

/// Events that wait to be looked at; beyond, whoever has more waits.
const EVENTS_MAX: usize = 64;
/// Questions that wait; the state machine has one out at a time.
const ASKS_MAX: usize = 8;
/// Calls that a screen lists.
const CALLS_MAX: u32 = 200;
/// Before the daemon is tried again.
const AWAY: Duration = Duration::from_secs(1);

const WHAT: &str = "servers that run";

/// The ends that the caller keeps. Dropped, the threads end when they next wake.
pub(super) struct Work {
    pub(super) events: Receiver<Event>,
    asks: SyncSender<Ask>,
    _alive: SyncSender<()>,
}

impl Work {
    /// Starts all of them.
    pub(super) fn start(place: &WhereArgs) -> std::io::Result<Self> {
        let (tell, events) = sync_channel(EVENTS_MAX);
        let (asks, questions) = sync_channel(ASKS_MAX);
        let (alive, life) = sync_channel(1);
        spawn("top-keys", &tell, keys)?;
        spawn("top-signals", &tell, signals)?;
        let of = place.clone();
        spawn("top-answers", &tell, move |tell| {
            answers(&of, &questions, tell)
        })?;
        let of = place.clone();
        spawn("top-live", &tell, move |tell| live(&of, &life, tell))?;
        Ok(Self {
            events,
            asks,
            _alive: alive,
        })
    }

    /// Has it asked. There is always room: the state machine has one question out, and a new one for a new screen.
    pub(super) fn ask(&self, ask: Ask) {
        if self.asks.try_send(ask).is_err() {
            // A daemon that hangs; the next change asks again.
        }
    }
}

/// Says that a thread has ended, also when it has panicked.
struct Ending(SyncSender<Event>, &'static str);

impl Drop for Ending {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self
                .0
                .try_send(Event::Gone(format!("the thread `{}` has ended", self.1)));
        }
    }
}

fn spawn(
    name: &'static str,
    tell: &SyncSender<Event>,
    run: impl FnOnce(&SyncSender<Event>) -> Result<()> + Send + 'static,
) -> std::io::Result<()> {
    let tell = tell.clone();
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let ending = Ending(tell, name);
            if let Err(error) = run(&ending.0) {
                let _ = ending.0.send(Event::Gone(format!("{error:#}")));
            }
        })?;
    Ok(())
}

fn keys(tell: &SyncSender<Event>) -> Result<()> {
    loop {
        let event = match event::read()? {
            Told::Resize(..) => Event::Resized,
            Told::Key(key) if key.kind != KeyEventKind::Release => {
                match key_of(key.code, key.modifiers) {
                    Some(key) => Event::Key(key),
                    None => continue,
                }
            }
            _ => continue,
        };
        if tell.send(event).is_err() {
            return Ok(());
        }
    }
}

fn key_of(code: KeyCode, modifiers: KeyModifiers) -> Option<Key> {
    if modifiers.contains(KeyModifiers::CONTROL) {
        return match code {
            KeyCode::Char('c') => Some(Key::Interrupt),
            KeyCode::Char('d' | 'f') => Some(Key::PageDown),
            KeyCode::Char('u' | 'b') => Some(Key::PageUp),
            _ => None,
        };
    }
    Some(match code {
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Enter | KeyCode::Right => Key::Enter,
        KeyCode::Esc | KeyCode::Left => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Char(letter) => Key::Letter(letter),
        _ => return None,
    })
}

fn signals(tell: &SyncSender<Event>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut hang_up = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
        tokio::select! {
            ended = crate::run::termination() => ended?,
            _ = hang_up.recv() => {}
        }
        anyhow::Ok(())
    })?;
    // Whoever does not take it has ended.
    let _ = tell.send(Event::Stop);
    Ok(())
}

fn answers(place: &WhereArgs, questions: &Receiver<Ask>, tell: &SyncSender<Event>) -> Result<()> {
    let mut api = None;
    while let Ok(ask) = questions.recv() {
        let answer = with_daemon(&mut api, place, |api| answer(api, &ask));
        let news = match answer {
            Err(error) if error.is::<CouldNotAsk>() => {
                api = None;
                News::Away(clean(&format!("{:#}", error.root_cause())))
            }
            answer => News::Answer(ask, answer.map_err(|error| clean(&format!("{error:#}")))),
        };
        if tell.send(Event::News(news)).is_err() {
            break;
        }
    }
    Ok(())
}

/// A daemon that was started anew may be elsewhere, so it is looked for.
fn with_daemon<T>(
    api: &mut Option<Api>,
    place: &WhereArgs,
    ask: impl FnOnce(&Api) -> Result<T>,
) -> Result<T> {
    let known = match api.take() {
        Some(known) => known,
        None => Api::find_daemon(place, WHAT)?,
    };
    ask(api.insert(known))
}

#[derive(Deserialize)]
struct Found {
    records: Vec<Box<RawValue>>,
}

fn answer(api: &Api, ask: &Ask) -> Result<Answer> {
    match ask {
        Ask::Overview => Ok(Answer::Overview(Box::new(Overview::ask(api)?))),
        Ask::Calls { query, order } => {
            let params = Params::new()
                .with("query", query)
                .with("order", order.name());
            let answer = api.json("/api/pilothouse/logs", &params.with("limit", CALLS_MAX))?;
            let records = answer["records"].as_array().cloned();
            Ok(Answer::Calls(records.ok_or_else(unknown)?))
        }
        Ask::Trace { id } => {
            let answer = api.json(&format!("/api/pilothouse/traces/{id}"), &Params::new())?;
            let found: Found = serde_json::from_value(answer).map_err(|_| unknown())?;
            let records = found.records.iter().map(|record| record.get().as_bytes());
            Ok(Answer::Trace(Box::new(Trace::build(records))))
        }
    }
}

fn unknown() -> anyhow::Error {
    anyhow!("the answer has an unknown form")
}

/// Says that something has changed, when the daemon does.
fn live(place: &WhereArgs, life: &Receiver<()>, tell: &SyncSender<Event>) -> Result<()> {
    loop {
        let followed = Api::find_daemon(place, WHAT).and_then(|api| {
            // It may have been away.
            tell.send(Event::News(News::Changed))?;
            let each = &mut |_: &[u8], _: &[u8]| Ok(tell.send(Event::News(News::Changed)).is_ok());
            api.follow("/api/pilothouse/live", &Params::new(), each)
        });
        let why = match followed {
            Ok(()) => "it has ended the stream".to_owned(),
            Err(error) => clean(&format!("{:#}", error.root_cause())),
        };
        if tell.send(Event::News(News::Away(why))).is_err() {
            return Ok(());
        }
        match life.recv_timeout(AWAY) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return Ok(()),
        }
    }
}

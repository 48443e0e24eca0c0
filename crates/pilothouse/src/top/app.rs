//! What is shown and what the keys do: keys and news in, lines and questions out. Nothing here asks, waits or draws.

mod screen;

use super::overview::Overview;
use super::page::{self, Row, Target};
use super::{detail, grid};
use crate::terminal::{Look, clean};
use ph_store::trace::Trace;
use screen::{HELP, Screen, What};
use serde_json::Value as Json;

/// A key, as far as it means something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Escape,
    Backspace,
    /// Ctrl-C.
    Interrupt,
    Letter(char),
}

/// A question to the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Overview,
    Calls { query: String, order: Order },
    Trace { id: String },
}

/// Which calls come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Newest,
    Slowest,
}

impl Order {
    /// As the API reads it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Slowest => "slowest",
        }
    }
}

/// What came from the daemon.
#[derive(Debug)]
pub(super) enum News {
    /// An answer, or why there is none.
    Answer(Ask, Result<Answer, String>),
    /// There may be other answers now.
    Changed,
    /// It cannot be reached; it is tried again.
    Away(String),
}

#[derive(Debug)]
pub(super) enum Answer {
    Overview(Box<Overview>),
    Calls(Vec<Json>),
    Trace(Box<Trace>),
}

/// All of it.
pub(super) struct App {
    daemon: String,
    color: bool,
    overview: Option<Result<Overview, String>>,
    away: Option<String>,
    /// The first is the overview; the last is shown.
    screens: Vec<Screen>,
    typed: Option<Typed>,
    is_help: bool,
    is_over: bool,
    /// A question is out; another one waits for its answer.
    asked: bool,
    again: bool,
    /// Of the lines between title and foot, as last drawn.
    size: (usize, usize),
}

/// Text that is being typed.
struct Typed {
    text: String,
    /// What is wrong with it.
    wrong: Option<String>,
}

/// What is to be drawn.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct View {
    pub title: String,
    /// Painted.
    pub lines: Vec<String>,
    /// Which of them is chosen.
    pub chosen: Option<usize>,
    pub foot: String,
    /// The foot says that something is wrong.
    pub is_alarming: bool,
}

impl App {
    pub(super) fn new(daemon: String, color: bool) -> Self {
        Self {
            daemon,
            color,
            overview: None,
            away: None,
            screens: vec![Screen::of(What::Overview {
                filter: String::new(),
            })],
            typed: None,
            is_help: false,
            is_over: false,
            asked: false,
            again: false,
            size: (80, 22),
        }
    }

    /// It was ended.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// What the screen that is shown needs to know, unless that is being asked already.
    pub(super) fn ask(&mut self) -> Option<Ask> {
        if self.asked {
            self.again = true;
            return None;
        }
        self.asked = true;
        self.again = false;
        Some(match &self.screen().what {
            What::Overview { .. } => Ask::Overview,
            What::Calls { query, order, .. } => Ask::Calls {
                query: query.clone(),
                order: *order,
            },
            What::Trace { id, .. } => Ask::Trace { id: id.clone() },
        })
    }

    /// A key; gives what is to be asked by it.
    pub(super) fn press(&mut self, key: Key) -> Option<Ask> {
        if key == Key::Interrupt {
            self.is_over = true;
            return None;
        }
        if self.is_help {
            self.is_help = false;
            return None;
        }
        if self.typed.is_some() {
            return self.type_key(key);
        }
        match key {
            Key::Letter('q') => self.is_over = true,
            Key::Letter('?') => self.is_help = true,
            Key::Letter('r') => return self.ask(),
            Key::Letter('/') => self.begin_typing(),
            Key::Letter('o') => return self.turn_order(),
            Key::Letter('u') => {
                if let What::Trace { fold, .. } = &mut self.screen_mut().what {
                    *fold = !*fold;
                }
            }
            Key::Enter => return self.open(),
            Key::Escape | Key::Backspace => return self.back(),
            Key::Down | Key::Letter('j') => self.go(1),
            Key::Up | Key::Letter('k') => self.go(-1),
            Key::PageDown | Key::Letter(' ') => self.go(self.page_rows()),
            Key::PageUp => self.go(-self.page_rows()),
            Key::Home | Key::Letter('g') => self.go(isize::MIN),
            Key::End | Key::Letter('G') => self.go(isize::MAX),
            Key::Letter(_) | Key::Interrupt => {}
        }
        None
    }

    /// Takes what came; gives what is to be asked by it.
    pub(super) fn take(&mut self, news: News) -> Option<Ask> {
        match news {
            News::Away(why) => {
                self.away = Some(why);
                self.asked = false;
                return None;
            }
            // What a trace was does not change.
            News::Changed if matches!(self.screen().what, What::Trace { .. }) => return None,
            News::Changed => return self.ask(),
            News::Answer(ask, answer) => {
                self.asked = false;
                self.away = None;
                self.keep(&ask, answer);
            }
        }
        if self.again { self.ask() } else { None }
    }

    /// Puts an answer where it belongs, if that is still there.
    fn keep(&mut self, ask: &Ask, answer: Result<Answer, String>) {
        let chosen = self.chosen();
        match ask {
            Ask::Overview => {
                self.overview = Some(answer.and_then(|answer| match answer {
                    Answer::Overview(overview) => Ok(*overview),
                    _ => Err("the answer is to another question".to_owned()),
                }));
            }
            Ask::Calls {
                query: of,
                order: by,
            } => {
                let wanted = self
                    .screens
                    .iter_mut()
                    .find_map(|screen| match &mut screen.what {
                        What::Calls {
                            query,
                            order,
                            found,
                            ..
                        } if query == of && order == by => Some(found),
                        _ => None,
                    });
                if let Some(found) = wanted {
                    *found = Some(answer.and_then(|answer| match answer {
                        Answer::Calls(calls) => Ok(calls),
                        _ => Err("the answer is to another question".to_owned()),
                    }));
                }
            }
            Ask::Trace { id: of } => {
                let wanted = self
                    .screens
                    .iter_mut()
                    .find_map(|screen| match &mut screen.what {
                        What::Trace { id, found, .. } if id == of => Some(found),
                        _ => None,
                    });
                if let Some(found) = wanted {
                    *found = Some(answer.and_then(|answer| match answer {
                        Answer::Trace(trace) => Ok(*trace),
                        _ => Err("the answer is to another question".to_owned()),
                    }));
                }
            }
        }
        self.choose_again(chosen.as_ref());
    }

    /// The title, the lines that fit and the foot of a screen of `width` × `height` letters.
    pub(super) fn view(&mut self, width: usize, height: usize) -> View {
        self.size = (width, height.saturating_sub(2));
        let rows = self.rows();
        let seen = self.size.1.max(1);
        let is_list = rows.iter().any(|row| row.target.is_some());
        let is_help = self.is_help;
        let screen = self.screen_mut();
        screen.settle(&rows, seen);
        let first = screen.first;
        let chosen = (is_list && !is_help).then(|| screen.cursor - first);
        let last = rows.len().min(first + seen);
        let more = rows.len().saturating_sub(last);
        let lines = rows
            .into_iter()
            .skip(first)
            .take(seen)
            .map(|row| row.text)
            .collect();
        let (foot, is_alarming) = self.foot(more);
        View {
            title: grid::cut(&clean(&self.title()), width),
            lines,
            chosen,
            foot: grid::cut(&clean(&foot), width),
            is_alarming,
        }
    }

    fn title(&self) -> String {
        match &self.screen().what {
            _ if self.is_help => "pilothouse top: keys".to_owned(),
            What::Overview { filter } if filter.is_empty() => "pilothouse top".to_owned(),
            What::Overview { filter } => format!("pilothouse top: what holds “{filter}”"),
            What::Calls {
                title,
                query,
                order,
                ..
            } => {
                format!("calls: {title}, the {} first: {query}", order.name())
            }
            What::Trace { id, .. } => format!("trace {id}"),
        }
    }

    fn foot(&self, more: usize) -> (String, bool) {
        if let Some(typed) = &self.typed {
            return match &typed.wrong {
                Some(wrong) => (format!("/{}▏ {wrong}", typed.text), true),
                None => (format!("/{}▏", typed.text), false),
            };
        }
        if let Some(why) = &self.away {
            return (format!("not reachable, trying again: {why}"), true);
        }
        let keys = match &self.screen().what {
            _ if self.is_help => "any key: back",
            What::Overview { .. } => "j/k move  enter calls  / filter  ? keys  q end",
            What::Calls { .. } => "j/k move  enter trace  / query  o order  esc back  q end",
            What::Trace { .. } => "j/k move  u unfold  esc back  q end",
        };
        let more = if more > 0 {
            format!("↓{more}  ")
        } else {
            String::new()
        };
        (format!("{more}{keys}"), false)
    }

    /// All lines of the screen that is shown.
    fn rows(&self) -> Vec<Row> {
        let look = Look {
            width: self.size.0,
            color: self.color,
            cut: true,
        };
        if self.is_help {
            return HELP
                .iter()
                .map(|line| Row::plain(grid::cut(line, look.width)))
                .collect();
        }
        let wait = || vec![Row::plain("…".to_owned())];
        match &self.screen().what {
            What::Overview { filter } => match &self.overview {
                None => wait(),
                Some(Ok(overview)) => page::overview(overview, &self.daemon, filter, look),
                Some(Err(why)) => detail::problem(why, look),
            },
            What::Calls { found, .. } => match found {
                None => wait(),
                Some(Ok(calls)) => detail::calls(calls, look),
                Some(Err(why)) => detail::problem(why, look),
            },
            What::Trace {
                id,
                call,
                fold,
                found,
            } => {
                let mut rows = detail::call(call, look);
                rows.extend(match found {
                    None => wait(),
                    Some(Ok(trace)) => detail::trace(trace, id, *fold, look),
                    Some(Err(why)) => detail::problem(why, look),
                });
                rows
            }
        }
    }

    /// Opens the line that is chosen.
    fn open(&mut self) -> Option<Ask> {
        let what = match self.chosen()? {
            Target::Calls { title, query } => What::Calls {
                title,
                query,
                order: Order::Newest,
                found: None,
            },
            Target::Trace { id, call } => What::Trace {
                id,
                call,
                fold: true,
                found: None,
            },
        };
        self.screens.push(Screen::of(what));
        self.ask_new()
    }

    fn back(&mut self) -> Option<Ask> {
        if self.screens.len() > 1 {
            self.screens.pop();
            return self.ask_new();
        }
        if let What::Overview { filter } = &mut self.screen_mut().what {
            filter.clear();
        }
        None
    }

    fn turn_order(&mut self) -> Option<Ask> {
        let What::Calls { order, found, .. } = &mut self.screen_mut().what else {
            return None;
        };
        *order = match order {
            Order::Newest => Order::Slowest,
            Order::Slowest => Order::Newest,
        };
        *found = None;
        self.screen_mut().cursor = 0;
        self.ask_new()
    }

    /// Another screen has another question; the answer to the one before is not waited for.
    fn ask_new(&mut self) -> Option<Ask> {
        self.asked = false;
        self.ask()
    }

    fn begin_typing(&mut self) {
        let text = match &self.screen().what {
            What::Overview { filter } => filter.clone(),
            What::Calls { query, .. } => query.clone(),
            What::Trace { .. } => return,
        };
        self.typed = Some(Typed { text, wrong: None });
    }

    fn type_key(&mut self, key: Key) -> Option<Ask> {
        let typed = self.typed.as_mut()?;
        match key {
            Key::Letter(letter) if typed.text.len() < TYPED_MAX => typed.text.push(letter),
            Key::Backspace => drop(typed.text.pop()),
            Key::Escape => {
                self.typed = None;
                return None;
            }
            Key::Enter => return self.typed_whole(),
            _ => return None,
        }
        typed.wrong = None;
        let text = typed.text.clone();
        if let What::Overview { filter } = &mut self.screen_mut().what {
            *filter = text;
        }
        None
    }

    /// A query has to be one, or it stays where it can be mended.
    fn typed_whole(&mut self) -> Option<Ask> {
        let typed = self.typed.take()?;
        let What::Calls { query, found, .. } = &mut self.screen_mut().what else {
            return None;
        };
        let text = match typed.text.trim() {
            "" => "kind=call".to_owned(),
            text => text.to_owned(),
        };
        if let Err(error) = crate::logs::checked(&text) {
            let wrong = format!("{error:#}");
            let wrong = wrong.lines().next().unwrap_or_default().to_owned();
            self.typed = Some(Typed {
                wrong: Some(wrong),
                ..typed
            });
            return None;
        }
        *query = text;
        *found = None;
        self.screen_mut().cursor = 0;
        self.ask_new()
    }

    fn chosen(&self) -> Option<Target> {
        let cursor = self.screen().cursor;
        self.rows().into_iter().nth(cursor)?.target
    }

    /// Moves the cursor to where `target` is now.
    fn choose_again(&mut self, target: Option<&Target>) {
        if target.is_none() {
            return;
        }
        let at = self
            .rows()
            .iter()
            .position(|row| row.target.as_ref() == target);
        if let Some(at) = at {
            self.screen_mut().cursor = at;
        }
    }

    fn page_rows(&self) -> isize {
        isize::try_from(self.size.1.max(2) - 1).unwrap_or(1)
    }

    /// Moves by so many lines that can be opened; where none can, by lines.
    fn go(&mut self, by: isize) {
        let rows = self.rows();
        let mut places: Vec<usize> = rows
            .iter()
            .enumerate()
            .filter_map(|(at, row)| row.target.as_ref().map(|_| at))
            .collect();
        let is_list = !places.is_empty();
        if !is_list {
            let last = rows.len().saturating_sub(self.size.1.max(1));
            places = (0..=last).collect();
        }
        let screen = self.screen_mut();
        let now = places.iter().position(|at| *at >= screen.cursor);
        let now = now.unwrap_or(places.len() - 1);
        let next = now.saturating_add_signed(by).min(places.len() - 1);
        screen.cursor = places[next];
        // Above the first one stand titles, which nobody could see otherwise.
        if is_list && next == 0 {
            screen.first = 0;
        }
        if !is_list {
            screen.first = screen.cursor;
        }
    }

    #[expect(clippy::expect_used, reason = "the first screen is never taken away")]
    fn screen(&self) -> &Screen {
        self.screens.last().expect("a screen")
    }

    #[expect(clippy::expect_used, reason = "the first screen is never taken away")]
    fn screen_mut(&mut self) -> &mut Screen {
        self.screens.last_mut().expect("a screen")
    }
}

/// Longest text that is typed, in bytes.
const TYPED_MAX: usize = 1_000;

#[cfg(test)]
mod screens;

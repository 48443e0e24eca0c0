//! The terminal while it is ours, and as it was before: whatever happens, it is given back.

use super::app::View;
use super::draw;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use std::io::{self, Stdout};
use std::sync::atomic::{AtomicBool, Ordering};

/// A terminal is ours.
static IS_OURS: AtomicBool = AtomicBool::new(false);

/// The terminal. Dropped, it is as it was.
pub(super) struct Session {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Session {
    /// Takes the terminal of standard input and output. A thread that panics from now on gives it back before it says
    /// so.
    pub(super) fn enter() -> io::Result<Self> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            give_back();
            before(info);
        }));
        enable_raw_mode()?;
        IS_OURS.store(true, Ordering::SeqCst);
        // From here on it is given back by the drop.
        let session = Self {
            terminal: Terminal::new(CrosstermBackend::new(io::stdout()))?,
        };
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        Ok(session)
    }

    /// Draws what `view` makes for the size that the terminal has now.
    pub(super) fn draw(&mut self, view: impl FnOnce(usize, usize) -> View) -> io::Result<()> {
        // Another thread has panicked and has given it back.
        if !IS_OURS.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.terminal.draw(|frame| {
            let area = frame.area();
            let view = view(usize::from(area.width), usize::from(area.height));
            draw::draw(&view, frame);
        })?;
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        give_back();
    }
}

fn give_back() {
    if IS_OURS.swap(false, Ordering::SeqCst) {
        // A terminal that is gone needs nothing back.
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    /// Says that the test below has given it a terminal.
    const IN_TERMINAL: &str = "PILOTHOUSE_TEST_TERMINAL";

    /// Not a test by itself: what the next one runs in a terminal.
    #[test]
    fn panics_in_a_terminal() {
        if crate::secrets::variable(IN_TERMINAL).is_none() {
            return;
        }
        crate::crash::install();
        let _session = Session::enter().unwrap();
        let thread = std::thread::spawn(|| panic!("as the test wants it"));
        thread.join().unwrap_err();
    }

    #[test]
    fn a_panic_gives_the_terminal_back() {
        let own = std::env::current_exe().unwrap();
        let inner = format!(
            "stty -g; {IN_TERMINAL}=1 {} --exact top::session::tests::panics_in_a_terminal --nocapture; stty -g",
            own.display()
        );
        let output = Command::new("script")
            .args(["--quiet", "--return", "--command", &inner, "/dev/null"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let place = |text: &str| {
            said.find(text)
                .unwrap_or_else(|| panic!("{text:?} in {said:?}"))
        };
        // Alternate screen on, off, and only then the words, where they can be read.
        let (on, off) = (place("\u{1b}[?1049h"), place("\u{1b}[?1049l"));
        assert!(on < off && off < place("as the test wants it"), "{said:?}");
        assert!(said.contains("\u{1b}[?25h"), "{said:?}");
        let lines: Vec<&str> = said
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty())
            .collect();
        assert_eq!(lines.first(), lines.last(), "{said:?}");
        assert!(lines[0].contains(':'), "{said:?}");
    }
}

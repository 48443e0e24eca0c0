//! What is said when a thread panics, which is always our bug.

use crate::printer::Printer;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

/// Says panics on stderr without what looks like a secret: their words may be of a call.
pub(crate) fn install() {
    std::panic::set_hook(Box::new(|info| Printer::new().say(&text_of(info))));
}

fn text_of(info: &PanicHookInfo<'_>) -> String {
    let at = info
        .location()
        .map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("without a name").to_owned();
    let payload = info.payload();
    let message = payload.downcast_ref::<&str>().copied();
    let message = message.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let mut text = said(&thread, &at, message.unwrap_or_default());
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        text.push_str(&format!("\n{backtrace}"));
    }
    text
}

fn said(thread: &str, at: &str, message: &str) -> String {
    let message = ph_record::mask(message).unwrap_or_else(|| message.to_owned());
    format!("error: a bug in Pilothouse: the thread `{thread}` panicked{at}: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_panic_have_no_secret() {
        let token = format!("ghp_{}", "aBcD1234".repeat(5));
        let message = format!("called `unwrap()` on: Bad(\"password=hunter2 {token}\")");
        let said = said("worker-0", " at src/x.rs:7", &message);
        assert!(
            said.contains("worker-0") && said.contains("src/x.rs:7"),
            "{said}"
        );
        assert!(
            !said.contains("hunter2") && !said.contains(&token),
            "{said}"
        );
    }
}

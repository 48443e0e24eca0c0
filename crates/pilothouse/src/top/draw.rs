//! A screen of the terminal.

use super::app::View;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

pub(super) fn draw(view: &View, frame: &mut Frame<'_>) {
    let area = frame.area();
    let line = |at: u16| Rect::new(area.x, area.y + at, area.width, 1);
    if area.height == 0 {
        return;
    }
    let bar = Style::new().add_modifier(Modifier::REVERSED);
    frame.render_widget(Line::styled(view.title.as_str(), bar), line(0));
    frame.buffer_mut().set_style(line(0), bar);
    let body = area.height.saturating_sub(2);
    for (at, text) in (1..=body).zip(&view.lines) {
        frame.render_widget(painted(text), line(at));
        if view.chosen == Some(usize::from(at) - 1) {
            frame.buffer_mut().set_style(line(at), bar);
        }
    }
    if area.height > 1 {
        let style = if view.is_alarming {
            Style::new().add_modifier(Modifier::BOLD)
        } else {
            Style::new().add_modifier(Modifier::DIM)
        };
        frame.render_widget(
            Line::styled(view.foot.as_str(), style),
            line(area.height - 1),
        );
    }
}

/// Begins an escape sequence.
const ESCAPE: char = '\u{1b}';

/// Text as `Look::paint` paints it. No other escape sequences are in it: text of others is cleaned before.
fn painted(text: &str) -> Line<'_> {
    let mut line = Line::default();
    let mut style = Style::new();
    for (nth, piece) in text.split(ESCAPE).enumerate() {
        let mut rest = piece;
        if nth > 0
            && let Some((code, behind)) = piece
                .strip_prefix('[')
                .and_then(|code| code.split_once('m'))
        {
            style = styled(code);
            rest = behind;
        }
        if !rest.is_empty() {
            line.push_span(Span::styled(rest, style));
        }
    }
    line
}

fn styled(code: &str) -> Style {
    let usual = Style::new();
    match code {
        "1" => usual.add_modifier(Modifier::BOLD),
        "2" => usual.add_modifier(Modifier::DIM),
        "31" => usual.fg(Color::Red),
        "32" => usual.fg(Color::Green),
        "33" => usual.fg(Color::Yellow),
        "34" => usual.fg(Color::Blue),
        "35" => usual.fg(Color::Magenta),
        "36" => usual.fg(Color::Cyan),
        _ => usual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::{Look, Paint};

    #[test]
    fn paint_becomes_style() {
        let look = Look {
            width: 80,
            color: true,
            cut: true,
        };
        let text = format!("a {} b", look.paint(Paint::Bad, "down"));
        let line = painted(&text);
        let pieces: Vec<_> = line
            .spans
            .iter()
            .map(|s| (s.content.as_ref(), s.style.fg))
            .collect();
        assert_eq!(
            pieces,
            [("a ", None), ("down", Some(Color::Red)), (" b", None)]
        );
    }
}

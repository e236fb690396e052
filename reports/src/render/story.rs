//! What became of each need of one run, for people.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, Color};

use super::human::{Style, number, section, short};
use super::span;
use crate::check::NeedStory;
use crate::history::NeedEnd;
use crate::wide::Wide;

/// A table of the needs, and below it why those failed that did, and how far those came that did not end.
pub fn needs(stories: &[NeedStory], style: Style) -> String {
    let mut out = String::new();
    let mut table = style.table(&["need", "posted", "opened", "tasks final", "end", "after"]);
    let when = |at: Option<Wide>| {
        let text = at.map_or_else(|| "never".to_owned(), |at| span(at.0));
        Cell::new(text).set_alignment(CellAlignment::Right)
    };
    let mut reasons = String::new();
    for story in stories {
        let name = short(&story.need);
        let color = match story.end {
            Some(NeedEnd::Closed | NeedEnd::Decoy) => Color::Green,
            Some(NeedEnd::Failed | NeedEnd::Cancelled) | None => Color::Yellow,
        };
        if let Some(why) = &story.why {
            let _ = writeln!(reasons, "\n{name} {}: {why}", story.end());
        }
        table.add_row([
            Cell::new(name),
            when(story.posted_ns),
            when(story.opened_ns),
            number(story.tasks_final),
            Cell::new(story.end()).fg(color),
            when(story.ended_ns),
        ]);
    }
    if !stories.is_empty() {
        section(&mut out, &table);
    }
    out + &reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::held;

    #[test]
    fn a_need_from_word_to_end() {
        let mut stories = held(1).stories;
        let text = needs(&stories, Style::default());
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[1].starts_with("need") && lines[2].contains("closed") && lines.len() == 3, "{text}");
        let story = &mut stories[0];
        (story.end, story.ended_ns, story.opened_ns) = (None, None, None);
        story.why = Some("it was never opened".to_owned());
        let text = needs(&stories, Style::default());
        assert!(text.contains("unfinished") && text.matches("  never").count() == 2, "{text}");
        assert!(text.ends_with(" unfinished: it was never opened\n"), "{text}");
        assert_eq!(needs(&[], Style::default()), "");
    }
}

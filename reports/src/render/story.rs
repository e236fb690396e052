//! What happened to each need of one run, for people; from the history, in which every step has its time.

use std::collections::BTreeSet;

use comfy_table::{Cell, CellAlignment, Color};
use swarm_core::id::{NeedId, TaskName};

use super::human::{Style, number, section, short};
use super::span;
use crate::history::{Event, NeedEnd, Record};

/// Whether [`needs`] reads events like this one: the rest of a history need not be kept for it.
pub fn reads(event: &Event) -> bool {
    use Event::{Finalized, NeedEnded, NeedOpened, NeedPosted};
    matches!(event, NeedPosted { .. } | NeedOpened { .. } | Finalized { .. } | NeedEnded { .. })
}

/// What happened to each need, from the history: by the first node that believed it.
pub fn needs(history: &[Record], style: Style) -> String {
    #[derive(Default)]
    struct Story {
        opened: Option<u64>,
        finals: BTreeSet<TaskName>,
        end: Option<(u64, NeedEnd)>,
    }
    let mut stories: Vec<(NeedId, u64, Story)> = Vec::new();
    for Record { at, event, .. } in history {
        if let Event::NeedPosted { need, .. } = event {
            stories.push((*need, *at, Story::default()));
        }
        let (Event::NeedOpened { need } | Event::Finalized { need, .. } | Event::NeedEnded { need, .. }) = event else {
            continue;
        };
        let Some((_, _, story)) = stories.iter_mut().find(|(id, ..)| id == need) else { continue };
        match event {
            Event::NeedOpened { .. } => story.opened = story.opened.or(Some(*at)),
            Event::Finalized { task, .. } => drop(story.finals.insert(task.clone())),
            Event::NeedEnded { how, .. } => story.end = story.end.or(Some((*at, *how))),
            _ => {}
        }
    }
    let mut out = String::new();
    let mut table = style.table(&["need", "posted", "opened", "tasks final", "end", "after"]);
    let when = |at: Option<u64>| at.map_or_else(|| "never".to_owned(), span);
    for (need, posted, story) in &stories {
        let (word, color) = match story.end {
            Some((_, NeedEnd::Closed)) => ("closed", Color::Green),
            Some((_, NeedEnd::Failed)) => ("failed", Color::Yellow),
            Some((_, NeedEnd::Cancelled)) => ("cancelled", Color::Yellow),
            Some((_, NeedEnd::Decoy)) => ("decoy", Color::Green),
            None => ("unfinished", Color::Yellow),
        };
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        table.add_row([
            Cell::new(short(&need.to_string())),
            right(span(*posted)),
            right(when(story.opened)),
            number(story.finals.len() as u64),
            Cell::new(word).fg(color),
            right(when(story.end.map(|(at, _)| at))),
        ]);
    }
    if !stories.is_empty() {
        section(&mut out, &table);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fixture;

    #[test]
    fn a_need_from_word_to_end() {
        let mut run = fixture::good();
        let text = needs(&run.records, Style::default());
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[1].starts_with("need") && lines[2].contains("closed"), "{text}");
        run.drop_all(|e| matches!(e, Event::NeedEnded { .. } | Event::NeedOpened { .. }));
        let text = needs(&run.records, Style::default());
        assert!(text.contains("unfinished") && text.matches("never").count() == 2, "{text}");
        assert_eq!(needs(&[], Style::default()), "");
    }
}

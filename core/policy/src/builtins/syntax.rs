//! Go's regular expressions, said in the words of the `regex` crate.
//!
//! Both are automata of the RE2 family: leftmost match, first alternative, linear time. They differ in spelling: Go's classes
//! `\d \w \s \b` are ASCII, a brace that counts nothing is a brace, classes hold no classes, and repetitions are bounded.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

/// Highest count of a repetition, and of repetitions within each other.
const REPEAT_MAX: u64 = 1_000;

/// What a class of Unicode weighs against one character.
const UNICODE_CLASS: u64 = 60;

/// A pattern that was understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Translated {
    pub(super) pattern: String,
    /// About its length with repetitions written out.
    pub(super) weight: u64,
}

/// Translates a pattern; `None` if Go has no such pattern.
pub(super) fn translate(pattern: &str) -> Option<Translated> {
    let mut translator = Translator {
        rest: pattern,
        out: String::new(),
        groups: [Group::default()].into(),
        last: Last::Nothing,
        atom: Atom::default(),
    };
    while let Some(c) = translator.next() {
        translator.step(c)?;
    }
    translator.end_atom();
    match translator.groups.as_slice() {
        [whole] => Some(Translated { pattern: translator.out, weight: whole.weight + 1 }),
        _ => None,
    }
}

/// What a repetition here would repeat.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Something,
    Repetition,
}

/// The last atom, which may still be repeated.
#[derive(Clone, Copy, Default)]
struct Atom {
    weight: u64,
    /// How often its innermost part is repeated in all.
    repeats: u64,
}

#[derive(Default)]
struct Group {
    weight: u64,
    repeats: u64,
}

struct Translator<'a> {
    rest: &'a str,
    out: String,
    groups: Vec<Group>,
    last: Last,
    atom: Atom,
}

impl Translator<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Adds the last atom to its group.
    fn end_atom(&mut self) {
        let atom = core::mem::take(&mut self.atom);
        if let Some(group) = self.groups.last_mut() {
            group.weight = group.weight.saturating_add(atom.weight);
            group.repeats = group.repeats.max(atom.repeats);
        }
    }

    fn atom(&mut self, weight: u64) {
        self.end_atom();
        self.atom = Atom { weight, repeats: 1 };
        self.last = Last::Something;
    }

    fn literal(&mut self, c: char) {
        self.atom(1);
        write_char(&mut self.out, c);
    }

    fn step(&mut self, c: char) -> Option<()> {
        match c {
            '\\' => self.escape()?,
            '[' => {
                let class = self.class()?;
                self.atom(class.weight);
                self.out.push_str(&class.text);
            }
            '(' => {
                self.open()?;
            }
            ')' => {
                self.end_atom();
                let group = self.groups.pop()?;
                if self.groups.is_empty() {
                    return None;
                }
                self.atom = Atom { weight: group.weight + 1, repeats: group.repeats.max(1) };
                self.last = Last::Something;
                self.out.push(')');
            }
            '|' => {
                self.end_atom();
                self.last = Last::Nothing;
                self.out.push('|');
            }
            '*' | '+' | '?' => {
                self.repeat(1)?;
                self.out.push(c);
                self.lazy();
            }
            '{' => match counted(self.rest) {
                Some((min, max, length)) => {
                    let highest = max.unwrap_or(min);
                    if min > REPEAT_MAX || highest > REPEAT_MAX || highest < min {
                        return None;
                    }
                    self.repeat(highest)?;
                    let _ = write!(self.out, "{{{}", &self.rest[..length]);
                    self.rest = &self.rest[length..];
                    self.lazy();
                }
                None => self.literal('{'),
            },
            '.' => {
                self.atom(4);
                self.out.push('.');
            }
            '^' | '$' => {
                self.atom(1);
                self.out.push(c);
            }
            c => self.literal(c),
        }
        Some(())
    }

    /// Repeats the last atom so often.
    fn repeat(&mut self, count: u64) -> Option<()> {
        if self.last != Last::Something {
            return None;
        }
        self.last = Last::Repetition;
        self.atom.weight = self.atom.weight.saturating_mul(count.max(1));
        self.atom.repeats = self.atom.repeats.saturating_mul(count.max(1));
        (self.atom.repeats <= REPEAT_MAX).then_some(())
    }

    fn lazy(&mut self) {
        if self.eat("?") {
            self.out.push('?');
        }
    }

    /// A parenthesis: a group, named or not, or flags.
    fn open(&mut self) -> Option<()> {
        self.end_atom();
        if !self.rest.starts_with('?') {
            self.out.push('(');
            self.groups.push(Group::default());
            self.last = Last::Nothing;
            return Some(());
        }
        if self.eat("?P<") || self.eat("?<") {
            let (name, rest) = self.rest.split_once('>')?;
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(word) || name.starts_with(|c: char| c.is_ascii_digit()) {
                return None;
            }
            self.rest = rest;
            let _ = write!(self.out, "(?P<{name}>");
            self.groups.push(Group::default());
            self.last = Last::Nothing;
            return Some(());
        }
        self.rest = &self.rest[1..];
        let end = self.rest.find([':', ')'])?;
        let flags = &self.rest[..end];
        let (on, off) = flags.split_once('-').map_or((flags, None), |(on, off)| (on, Some(off)));
        let known = |flags: &str| flags.chars().all(|flag| matches!(flag, 'i' | 'm' | 's' | 'U'));
        if !known(on) || !off.is_none_or(|off| known(off) && !off.is_empty()) {
            return None;
        }
        let group = self.rest.as_bytes()[end] == b':';
        self.rest = &self.rest[end + 1..];
        match (group, flags.is_empty()) {
            (true, _) => {
                let _ = write!(self.out, "(?{flags}:");
                self.groups.push(Group::default());
            }
            (false, false) => {
                let _ = write!(self.out, "(?{flags})");
            }
            (false, true) => {}
        }
        self.last = Last::Nothing;
        Some(())
    }

    fn escape(&mut self) -> Option<()> {
        let c = self.next()?;
        match c {
            'd' | 'D' | 'w' | 'W' | 's' | 'S' => {
                self.atom(4);
                let _ = write!(self.out, "[{}{}]", if c.is_uppercase() { "^" } else { "" }, perl(c));
            }
            'b' | 'B' => {
                self.atom(1);
                let _ = write!(self.out, "(?-u:\\{c})");
            }
            'A' | 'z' => {
                self.atom(1);
                let _ = write!(self.out, "\\{c}");
            }
            'Q' => {
                let quoted = self.rest;
                let (quoted, rest) = quoted.split_once("\\E").unwrap_or((quoted, ""));
                self.rest = rest;
                quoted.chars().for_each(|c| self.literal(c));
            }
            'E' => {}
            'p' | 'P' => {
                let class = self.unicode(c)?;
                self.atom(UNICODE_CLASS);
                self.out.push_str(&class);
            }
            c => {
                let c = self.escaped(c)?;
                self.literal(c);
            }
        }
        Some(())
    }

    /// A character that is written with a backslash, whose next character is `c`.
    fn escaped(&mut self, c: char) -> Option<char> {
        Some(match c {
            'a' => '\u{7}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' => {
                let digits = if self.eat("{") {
                    let (digits, rest) = self.rest.split_once('}')?;
                    self.rest = rest;
                    digits
                } else {
                    let digits = self.rest.get(..2)?;
                    self.rest = &self.rest[2..];
                    digits
                };
                if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                    return None;
                }
                char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
            }
            '0'..='7' => {
                // One digit that is not zero would refer back, which no automaton can.
                let octal = |rest: &str| rest.chars().next().and_then(|c| c.to_digit(8));
                if c != '0' && octal(self.rest).is_none() {
                    return None;
                }
                let mut value = c.to_digit(8)?;
                for _ in 0..2 {
                    let Some(digit) = octal(self.rest) else { break };
                    value = value * 8 + digit;
                    self.rest = &self.rest[1..];
                }
                char::from_u32(value)?
            }
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => c,
            _ => return None,
        })
    }

    /// A class of Unicode, after `\p` or `\P`.
    fn unicode(&mut self, mut p: char) -> Option<String> {
        let name = if self.eat("{") {
            let (name, rest) = self.rest.split_once('}')?;
            self.rest = rest;
            name
        } else {
            let length = self.rest.chars().next()?.len_utf8();
            let name = &self.rest[..length];
            self.rest = &self.rest[length..];
            name
        };
        let name = match name.strip_prefix('^') {
            Some(name) => {
                p = if p == 'p' { 'P' } else { 'p' };
                name
            }
            None => name,
        };
        let capital = name.starts_with(|c: char| c.is_ascii_uppercase());
        let wordlike = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        (capital && wordlike).then(|| format!("\\{p}{{{name}}}"))
    }

    /// A class in brackets, of which the first was taken.
    fn class(&mut self) -> Option<Class> {
        let mut class = Class { text: String::from("["), weight: 4 };
        if self.eat("^") {
            class.text.push('^');
        }
        let mut first = true;
        loop {
            if self.rest.starts_with(']') && !first {
                self.rest = &self.rest[1..];
                class.text.push(']');
                return Some(class);
            }
            first = false;
            if self.rest.starts_with("[:")
                && let Some(end) = self.rest.find(":]")
            {
                let name = &self.rest[2..end];
                let plain = name.strip_prefix('^').unwrap_or(name);
                if !POSIX.contains(&plain) {
                    return None;
                }
                let _ = write!(class.text, "[:{name}:]");
                self.rest = &self.rest[end + 2..];
                continue;
            }
            match self.class_item()? {
                Item::Set(text, weight) => {
                    class.text.push_str(&text);
                    class.weight += weight;
                }
                Item::One(low) => {
                    let mut high = low;
                    let range = self.rest.strip_prefix('-').filter(|rest| !rest.starts_with(']'));
                    if let Some(rest) = range.filter(|rest| !rest.is_empty()) {
                        self.rest = rest;
                        high = match self.class_item()? {
                            Item::One(high) => high,
                            Item::Set(..) => return None,
                        };
                    }
                    if high < low {
                        return None;
                    }
                    let _ = write!(class.text, "\\x{{{:x}}}-\\x{{{:x}}}", low as u32, high as u32);
                    class.weight += 1;
                }
            }
        }
    }

    fn class_item(&mut self) -> Option<Item> {
        match self.next()? {
            '\\' => match self.next()? {
                c @ ('d' | 'w' | 's') => Some(Item::Set(perl(c).into(), 1)),
                c @ ('D' | 'W' | 'S') => Some(Item::Set(format!("[^{}]", perl(c)), 4)),
                c @ ('p' | 'P') => self.unicode(c).map(|text| Item::Set(text, UNICODE_CLASS)),
                c => self.escaped(c).map(Item::One),
            },
            c => Some(Item::One(c)),
        }
    }
}

struct Class {
    text: String,
    weight: u64,
}

enum Item {
    One(char),
    Set(String, u64),
}

const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

/// What stands in brackets for one of Perl's classes.
const fn perl(c: char) -> &'static str {
    match c {
        'd' | 'D' => "0-9",
        'w' | 'W' => "0-9A-Za-z_",
        _ => "\\t\\n\\x0c\\r ",
    }
}

fn write_char(out: &mut String, c: char) {
    if c.is_ascii_alphanumeric() || !c.is_ascii() {
        out.push(c);
    } else {
        let _ = write!(out, "\\x{{{:x}}}", c as u32);
    }
}

/// Reads `n}`, `n,}` or `n,m}`; the counts, and the length with the brace.
fn counted(rest: &str) -> Option<(u64, Option<u64>, usize)> {
    let end = rest.find('}')?;
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        let plain = plain && (digits.len() == 1 || !digits.starts_with('0'));
        plain.then(|| digits.parse().unwrap_or(u64::MAX))
    };
    match rest[..end].split_once(',') {
        None => number(&rest[..end]).map(|min| (min, Some(min), end + 1)),
        Some((min, "")) => number(min).map(|min| (min, None, end + 1)),
        Some((min, max)) => Some((number(min)?, Some(number(max)?), end + 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, says: Option<&str>) {
        assert_eq!(translate(pattern).map(|it| it.pattern).as_deref(), says, "{pattern}");
    }

    #[test]
    fn what_go_spells_otherwise_is_said_in_other_words() {
        check("a.b", Some("a.b"));
        check(r"\d+\s", Some(r"[0-9]+[\t\n\x0c\r ]"));
        check(r"\bx\B", Some(r"(?-u:\b)x(?-u:\B)"));
        check("a{2}b{,3}", Some(r"a{2}b\x{7b}\x{2c}3\x{7d}"));
        check(r"[a-c\d[&&]", Some(r"[\x{61}-\x{63}0-9\x{5b}-\x{5b}\x{26}-\x{26}\x{26}-\x{26}]"));
        check(r"[^]x]", Some(r"[^\x{5d}-\x{5d}\x{78}-\x{78}]"));
        check(r"\Qa.b\E*", Some(r"a\x{2e}b*"));
        check(r"(?i)(?P<n>k)(?:x|y)??", Some(r"(?i)(?P<n>k)(?:x|y)??"));
        check(r"\p{^Greek}\x41\012", Some("\\P{Greek}A\\x{a}"));
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for bad in [
            "(",
            ")",
            "a)",
            "[",
            "[a",
            "*",
            "(*)",
            "a**",
            "a+*",
            "a{1001}",
            "a{3,2}",
            "(a{100}){11}",
            r"\1",
            r"\8",
            r"\C",
            r"\Z",
            "(?x)a",
            "(?P<>a)",
            "(?P<1a>b)",
            "[z-a]",
            "[[:no:]]",
            "(?=a)",
            r"\x{110000}",
            r"\xg0",
            "\\",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn repetitions_weigh_what_they_repeat() {
        let weight = |pattern| translate(pattern).map(|it| it.weight);
        assert!(weight("(ab){100}") > weight("(ab)").map(|one| 50 * one));
        assert!(weight("((a{10}){10}){10}") >= Some(1_000));
    }
}

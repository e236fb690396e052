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
    /// The groups' names, by number; empty where there is none.
    pub(super) names: Vec<String>,
}

/// Translates a pattern; `None` if Go has no such pattern.
pub(super) fn translate(pattern: &str) -> Option<Translated> {
    let mut translator = Translator {
        rest: pattern,
        out: String::new(),
        held: String::new(),
        names: [String::new()].into(),
        groups: [Group::default()].into(),
        last: Last::Nothing,
        atom: Atom::default(),
    };
    while let Some(c) = translator.next() {
        translator.step(c)?;
    }
    translator.end_atom();
    match translator.groups.as_slice() {
        [whole] => {
            let weight = whole.weight + 1;
            Some(Translated { pattern: translator.out, weight, names: translator.names })
        }
        _ => None,
    }
}

/// What a repetition here would repeat.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Something,
    Repetition,
    /// A repetition that something without a width ended: it may be repeated again, as a whole.
    Repeated,
}

/// The last atom, which may still be repeated.
#[derive(Clone, Copy, Default)]
struct Atom {
    weight: u64,
    /// How often its innermost part is repeated in all.
    repeats: u64,
    /// Where it begins in what was written.
    at: usize,
}

#[derive(Default)]
struct Group {
    weight: u64,
    repeats: u64,
    at: usize,
}

struct Translator<'a> {
    rest: &'a str,
    out: String,
    /// Flags that stand here, until it is known that nothing repeats what stands before them.
    held: String,
    names: Vec<String>,
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

    /// Adds the last atom to its group. Nothing repeats it any more, so flags that stand behind it can be written.
    fn end_atom(&mut self) {
        self.out.push_str(&core::mem::take(&mut self.held));
        let atom = core::mem::take(&mut self.atom);
        if let Some(group) = self.groups.last_mut() {
            group.weight = group.weight.saturating_add(atom.weight);
            group.repeats = group.repeats.max(atom.repeats);
        }
    }

    fn atom(&mut self, weight: u64) {
        self.end_atom();
        self.atom = Atom { weight, repeats: 1, at: self.out.len() };
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
                self.atom = Atom { weight: group.weight + 1, repeats: group.repeats.max(1), at: group.at };
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

    /// A group that is counted begins.
    fn group(&mut self, name: &str) {
        self.end_atom();
        self.names.push(name.into());
        self.groups.push(Group { at: self.out.len(), ..Group::default() });
        self.out.push('(');
        self.last = Last::Nothing;
    }

    /// Repeats the last atom so often.
    fn repeat(&mut self, count: u64) -> Option<()> {
        match self.last {
            Last::Something => {}
            Last::Repeated => {
                self.out.insert_str(self.atom.at, "(?:");
                self.out.push(')');
            }
            Last::Nothing | Last::Repetition => return None,
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

    /// A parenthesis: a group, named or not, or flags. Names are kept beside the pattern, for two groups of one may have the same.
    fn open(&mut self) -> Option<()> {
        if !self.rest.starts_with('?') {
            self.group("");
            return Some(());
        }
        if self.eat("?P<") || self.eat("?<") {
            let (name, rest) = self.rest.split_once('>')?;
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return None;
            }
            self.rest = rest;
            self.group(name);
            return Some(());
        }
        self.rest = &self.rest[1..];
        let end = self.rest.find([':', ')'])?;
        let flags = &self.rest[..end];
        let flags = flags_of(flags)?;
        let group = self.rest.as_bytes()[end] == b':';
        self.rest = &self.rest[end + 1..];
        if group {
            self.end_atom();
            self.groups.push(Group { at: self.out.len(), ..Group::default() });
            let _ = write!(self.out, "(?{flags}:");
            self.last = Last::Nothing;
        } else {
            // What repeats next repeats what stands before the flags.
            if !flags.is_empty() {
                let _ = write!(self.held, "(?{flags})");
            }
            self.passed();
        }
        Some(())
    }

    /// After what is nothing to repeat, and ends the last repetition.
    fn passed(&mut self) {
        if self.last == Last::Repetition {
            self.last = Last::Repeated;
        }
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
                self.passed();
                quoted.chars().for_each(|c| self.literal(c));
            }
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
        let name = canonical(name);
        let of = |known: &[&str]| known.binary_search(&name.as_str()).is_ok();
        match name.as_str() {
            // Of halves of characters there are none in a string.
            "Cs" | "Surrogate" if p == 'p' => Some("[^\\x{0}-\\x{10FFFF}]".into()),
            "Cs" | "Surrogate" => Some("[\\x{0}-\\x{10FFFF}]".into()),
            "Any" | "Ascii" | "Assigned" => Some(format!("\\{p}{{{name}}}")),
            _ if of(CATEGORIES) => Some(format!("\\{p}{{gc={name}}}")),
            _ if of(SCRIPTS) => Some(format!("\\{p}{{sc={name}}}")),
            _ => None,
        }
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

/// The general categories that Go knows, and what else is no script, as [`canonical`] writes them.
const CATEGORIES: &[&str] = &[
    "Any",
    "Ascii",
    "Assigned",
    "C",
    "Casedletter",
    "Cc",
    "Cf",
    "Closepunctuation",
    "Cn",
    "Cntrl",
    "Co",
    "Combiningmark",
    "Connectorpunctuation",
    "Control",
    "Cs",
    "Currencysymbol",
    "Dashpunctuation",
    "Decimalnumber",
    "Digit",
    "Enclosingmark",
    "Finalpunctuation",
    "Format",
    "Initialpunctuation",
    "L",
    "Lc",
    "Letter",
    "Letternumber",
    "Lineseparator",
    "Ll",
    "Lm",
    "Lo",
    "Lowercaseletter",
    "Lt",
    "Lu",
    "M",
    "Mark",
    "Mathsymbol",
    "Mc",
    "Me",
    "Mn",
    "Modifierletter",
    "Modifiersymbol",
    "N",
    "Nd",
    "Nl",
    "No",
    "Nonspacingmark",
    "Number",
    "Openpunctuation",
    "Other",
    "Otherletter",
    "Othernumber",
    "Otherpunctuation",
    "Othersymbol",
    "P",
    "Paragraphseparator",
    "Pc",
    "Pd",
    "Pe",
    "Pf",
    "Pi",
    "Po",
    "Privateuse",
    "Ps",
    "Punct",
    "Punctuation",
    "S",
    "Sc",
    "Separator",
    "Sk",
    "Sm",
    "So",
    "Spaceseparator",
    "Spacingmark",
    "Surrogate",
    "Symbol",
    "Titlecaseletter",
    "Unassigned",
    "Uppercaseletter",
    "Z",
    "Zl",
    "Zp",
    "Zs",
];

/// The scripts that Go finds by such a name: those of one word (it writes a name canonically, and then misses those whose own
/// name is not written so).
const SCRIPTS: &[&str] = &[
    "Adlam",
    "Ahom",
    "Arabic",
    "Armenian",
    "Avestan",
    "Balinese",
    "Bamum",
    "Batak",
    "Bengali",
    "Bhaiksuki",
    "Bopomofo",
    "Brahmi",
    "Braille",
    "Buginese",
    "Buhid",
    "Carian",
    "Chakma",
    "Cham",
    "Cherokee",
    "Chorasmian",
    "Common",
    "Coptic",
    "Cuneiform",
    "Cypriot",
    "Cyrillic",
    "Deseret",
    "Devanagari",
    "Dogra",
    "Duployan",
    "Elbasan",
    "Elymaic",
    "Ethiopic",
    "Georgian",
    "Glagolitic",
    "Gothic",
    "Grantha",
    "Greek",
    "Gujarati",
    "Gurmukhi",
    "Han",
    "Hangul",
    "Hanunoo",
    "Hatran",
    "Hebrew",
    "Hiragana",
    "Inherited",
    "Javanese",
    "Kaithi",
    "Kannada",
    "Katakana",
    "Kawi",
    "Kharoshthi",
    "Khmer",
    "Khojki",
    "Khudawadi",
    "Lao",
    "Latin",
    "Lepcha",
    "Limbu",
    "Lisu",
    "Lycian",
    "Lydian",
    "Mahajani",
    "Makasar",
    "Malayalam",
    "Mandaic",
    "Manichaean",
    "Marchen",
    "Medefaidrin",
    "Miao",
    "Modi",
    "Mongolian",
    "Mro",
    "Multani",
    "Myanmar",
    "Nabataean",
    "Nandinagari",
    "Newa",
    "Nko",
    "Nushu",
    "Ogham",
    "Oriya",
    "Osage",
    "Osmanya",
    "Palmyrene",
    "Phoenician",
    "Rejang",
    "Runic",
    "Samaritan",
    "Saurashtra",
    "Sharada",
    "Shavian",
    "Siddham",
    "Sinhala",
    "Sogdian",
    "Soyombo",
    "Sundanese",
    "Syriac",
    "Tagalog",
    "Tagbanwa",
    "Takri",
    "Tamil",
    "Tangsa",
    "Tangut",
    "Telugu",
    "Thaana",
    "Thai",
    "Tibetan",
    "Tifinagh",
    "Tirhuta",
    "Toto",
    "Ugaritic",
    "Vai",
    "Vithkuqi",
    "Wancho",
    "Yezidi",
    "Yi",
];

/// Flags as Go reads them, each said once: what is turned off is off, whatever else is said of it.
fn flags_of(flags: &str) -> Option<String> {
    let (on, off) = flags.split_once('-').map_or((flags, None), |(on, off)| (on, Some(off)));
    let known = |flags: &str| flags.chars().all(|flag| "imsU".contains(flag));
    if !known(on) || off.is_some_and(|off| off.is_empty() || !known(off)) {
        return None;
    }
    let off = off.unwrap_or("");
    let mut said: String = "imsU".chars().filter(|flag| on.contains(*flag) && !off.contains(*flag)).collect();
    if !off.is_empty() {
        said.push('-');
        said.extend("imsU".chars().filter(|flag| off.contains(*flag)));
    }
    Some(said)
}

/// A class of Unicode's name as Go looks it up: without separators, its first letter large and the others small.
fn canonical(name: &str) -> String {
    let mut letters = name.chars().filter(|c| !matches!(c, ' ' | '-' | '_'));
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters.map(|c| c.to_ascii_lowercase())).collect()
}

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
        check(r"(?i)(?P<n>k)(?:x|y)??", Some(r"(?i)(k)(?:x|y)??"));
        check(r"\p{^Greek}\x41\012", Some("\\P{sc=Greek}A\\x{a}"));
        // Names are loose, but for those of scripts that have several words; what they name may be nothing.
        check(r"\p{upper-case_letter}\PL\p{GREEK}", Some(r"\p{gc=Uppercaseletter}\P{gc=L}\p{sc=Greek}"));
        check(r"\p{Cs}", Some(r"[^\x{0}-\x{10FFFF}]"));
        // What stands before flags may be repeated behind them; flags may be said twice, and against each other.
        check("a+(?i)?b", Some("(?:a+)?(?i)b"));
        check(r"x(ba?)*(?m)\Q\E{2}(?s)+", Some("x(?:(?:(ba?)*){2})+(?m)(?s)"));
        check("(?ss-s:a)(?)(?i-i)", Some("(?-s:a)(?-i)"));
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
            "(?P<a-b>c)",
            "(?i-)a",
            "(?i)*",
            "(a|(?i)*)",
            r"a\E",
            r"\p{Old_Italic}",
            r"\p{Grek}",
            r"\p{Alphabetic}",
            r"\p{IsGreek}",
            r"\p{}",
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
    fn names_are_kept_by_number_and_tables_can_be_searched() {
        let names = translate("(?P<n>a)(b)(?:c)(?<n>d)(?P<1>e)").unwrap().names;
        assert_eq!(names, ["", "n", "", "n", "1"]);
        assert!(CATEGORIES.is_sorted() && SCRIPTS.is_sorted());
        for name in CATEGORIES.iter().chain(SCRIPTS) {
            assert_eq!(canonical(name), *name);
            let pattern = translate(&alloc::format!("\\p{{{name}}}")).unwrap().pattern;
            assert!(regex::Regex::new(&pattern).is_ok(), "{pattern}");
        }
    }

    #[test]
    fn repetitions_weigh_what_they_repeat() {
        let weight = |pattern| translate(pattern).map(|it| it.weight);
        assert!(weight("(ab){100}") > weight("(ab)").map(|one| 50 * one));
        assert!(weight("((a{10}){10}){10}") >= Some(1_000));
    }
}

//! One name per node, wherever people read it: that of its log.

use crate::check::Contradiction;

/// `text` with each node's number replaced by its name; a number without one stays.
pub(super) fn named(text: &str, names: &[String]) -> String {
    const NODE: &str = "node ";
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(NODE) {
        let after = &rest[at + NODE.len()..];
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let name = after[..digits].parse().ok().and_then(|no: usize| names.get(no));
        out.push_str(&rest[..at]);
        match name {
            Some(name) => out.push_str(name),
            None => out.push_str(&rest[at..at + NODE.len() + digits]),
        }
        rest = &after[digits..];
    }
    out + rest
}

impl Contradiction {
    /// The same, told with the nodes' names.
    pub(super) fn named(&self, names: &[String]) -> Self {
        let mut told = self.clone();
        told.what = named(&told.what, names);
        told.records.iter_mut().for_each(|witness| witness.node = named(&witness.node, names));
        told
    }
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn numbers_become_names() {
        let names: Vec<String> = (0..12).map(|n| format!("worker-{n}")).collect();
        let told = |text| named(text, &names);
        assert_eq!(told("node 1"), "worker-1");
        assert_eq!(told("node 11 is correct, node 1 is not"), "worker-11 is correct, worker-1 is not");
        assert_eq!(told("node 12 and world, a node of no number"), "node 12 and world, a node of no number");
        assert_eq!(named("node 1", &[]), "node 1");
    }
}

//! Each distinct haplotype of a locus once, and which two each person has.
//!
//! Input -> output: variant records in file order -> [`LocusHaplotypes`]. Haplotypes are the leaves of a trie of edits: a person's
//! haplotype is one node number, and only carriers of an edit move, so memory grows with distinct haplotypes and time with carried alleles.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    ops::Range,
};

use serde::{Deserialize, Serialize};

use super::haplotype::{Edit, OrderedEdit, reverse_complement, splice};
use crate::{
    ingest::{Locus, Strand},
    output,
};

/// In place of a haplotype number: the person has no such haplotype (haploid call).
pub const ABSENT_HAPLOTYPE: u32 = u32::MAX;

/// The distinct haplotypes of one locus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocusHaplotypes {
    /// Where.
    pub locus: Locus,
    /// Length of its contig, where a VCF header or a FASTA with the whole contig says so; it tells builds apart.
    pub contig_len_nt: Option<usize>,
    /// Reference bases of the locus, forward strand, ACGTN.
    #[serde(with = "as_text")]
    pub reference: Vec<u8>,
    /// Every edit that some haplotype carries, ascending by place.
    pub edits: Vec<Edit>,
    /// Distinct haplotypes as ascending numbers into `edits`.
    pub haplotypes: Vec<Vec<u32>>,
    /// The two haplotypes of each person, as numbers into `haplotypes`; the second is [`ABSENT_HAPLOTYPE`] for haploid people.
    #[serde(skip)]
    pub pairs: Vec<[u32; 2]>,
}

impl LocusHaplotypes {
    /// Bases of one distinct haplotype, 5' to 3' on the strand of the locus.
    #[must_use]
    pub fn bases(&self, haplotype: u32) -> Vec<u8> {
        let edits = self.haplotypes[haplotype as usize].iter().map(|&edit| &self.edits[edit as usize]);
        let forward = splice(&self.reference, self.locus.start0, edits);
        match self.locus.strand {
            Strand::Forward => forward,
            Strand::Reverse => reverse_complement(&forward),
        }
    }
}

mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bases: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(bases))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if let Some(bad) = text.bytes().find(|base| !b"ACGTN".contains(base)) {
            return Err(D::Error::custom(format!("`{}` is not one of ACGTN", char::from(bad))));
        }
        Ok(text.into_bytes())
    }
}

/// Why an allele that a person carries is not in their sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clash {
    /// It overlaps an allele already applied to the same haplotype.
    Overlap,
    /// The same allele was already applied (a record stated twice).
    Duplicate,
}

struct Node {
    parent: u32,
    edit: u32,
    /// Reference bases before this one are settled.
    frozen_end0: usize,
}

const ROOT: u32 = 0;

/// Builds the haplotypes of one locus for all people, record by record.
pub struct LocusBuilder {
    locus: Locus,
    contig_len_nt: Option<usize>,
    reference: Vec<u8>,
    nodes: Vec<Node>,
    children: HashMap<(u32, u32), u32>,
    edits: Vec<Edit>,
    /// Node of haplotype `2 * person + (0 or 1)`.
    states: Vec<u32>,
    absent: Vec<bool>,
    /// Edits not yet applied, because a later record may hold one that comes before them, with their carriers.
    pending: BTreeMap<OrderedEdit, Vec<u32>>,
}

impl LocusBuilder {
    /// Everyone starts as the reference.
    #[must_use]
    pub fn new(locus: Locus, contig_len_nt: Option<usize>, reference: Vec<u8>, n_people: usize) -> Self {
        let root = Node { parent: ROOT, edit: u32::MAX, frozen_end0: 0 };
        Self {
            locus,
            contig_len_nt,
            reference,
            nodes: vec![root],
            children: HashMap::new(),
            edits: Vec::new(),
            states: vec![ROOT; 2 * n_people],
            absent: vec![false; n_people],
            pending: BTreeMap::new(),
        }
    }

    /// The locus's interval, 0-based and half-open.
    #[must_use]
    pub fn window(&self) -> Range<usize> {
        self.locus.start0..self.locus.end0
    }

    /// The locus.
    #[must_use]
    pub fn locus(&self) -> &Locus {
        &self.locus
    }

    /// This person has one haplotype only; `true` when that was not known yet.
    pub fn set_absent(&mut self, person: usize) -> bool {
        !std::mem::replace(&mut self.absent[person], true)
    }

    /// Adds an edit with the haplotypes (`2 * person + 0|1`) that carry it. Records must come in order of POS.
    pub fn add(&mut self, edit: OrderedEdit, carriers: &[u32]) {
        self.pending.entry(edit).or_default().extend_from_slice(carriers);
    }

    /// Applies every pending edit that starts before `start0`; `on_clash(haplotype, position, clash)` hears of each one skipped.
    pub fn settle_before(&mut self, start0: usize, on_clash: &mut dyn FnMut(u32, usize, Clash)) {
        while let Some(first) = self.pending.first_entry() {
            if first.key().edit.start0 >= start0 {
                return;
            }
            let (ordered, carriers) = first.remove_entry();
            let position = ordered.position;
            let edit = self.number(ordered.edit);
            for haplotype in carriers {
                match self.extend(self.states[haplotype as usize], edit) {
                    Ok(node) => self.states[haplotype as usize] = node,
                    Err(clash) => on_clash(haplotype, position, clash),
                }
            }
        }
    }

    /// The number of an edit; the same edit from another record has the same number.
    fn number(&mut self, edit: Edit) -> u32 {
        let same_place = self.edits.iter().enumerate().rev().take_while(|(_, other)| other.start0 == edit.start0);
        if let Some((number, _)) = same_place.into_iter().find(|(_, other)| **other == edit) {
            return number as u32;
        }
        self.edits.push(edit);
        self.edits.len() as u32 - 1
    }

    fn extend(&mut self, node: u32, edit: u32) -> Result<u32, Clash> {
        if let Some(&child) = self.children.get(&(node, edit)) {
            return Ok(child);
        }
        let Node { edit: last, frozen_end0, .. } = self.nodes[node as usize];
        let new = &self.edits[edit as usize];
        if last == edit {
            return Err(Clash::Duplicate);
        }
        let last_inserts_here =
            last != u32::MAX && self.edits[last as usize].is_insertion() && self.edits[last as usize].start0 == new.start0;
        if new.start0 < frozen_end0 || last_inserts_here && (new.is_insertion() || new.is_deletion()) {
            return Err(Clash::Overlap);
        }
        let child = self.nodes.len() as u32;
        self.nodes.push(Node { parent: node, edit, frozen_end0: new.end0 });
        self.children.insert((node, edit), child);
        Ok(child)
    }

    /// Applies what is pending and numbers the distinct haplotypes (by their bases) in order of first appearance.
    #[must_use]
    pub fn finish(mut self, on_clash: &mut dyn FnMut(u32, usize, Clash)) -> LocusHaplotypes {
        self.settle_before(usize::MAX, on_clash);
        let mut number_of_node: HashMap<u32, u32> = HashMap::new();
        let mut number_of_bases: HashMap<String, u32> = HashMap::new();
        let mut haplotypes = Vec::new();
        let states = std::mem::take(&mut self.states);
        let mut numbers = Vec::with_capacity(states.len());
        for (haplotype, node) in states.into_iter().enumerate() {
            if haplotype % 2 == 1 && self.absent[haplotype / 2] {
                numbers.push(ABSENT_HAPLOTYPE);
                continue;
            }
            let number = match number_of_node.entry(node) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    let edits = path(&self.nodes, node);
                    let bases = splice(&self.reference, self.locus.start0, edits.iter().map(|&edit| &self.edits[edit as usize]));
                    *new.insert(*number_of_bases.entry(output::sha256(&bases)).or_insert_with(|| {
                        haplotypes.push(edits);
                        haplotypes.len() as u32 - 1
                    }))
                }
            };
            numbers.push(number);
        }
        let pairs = numbers.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
        LocusHaplotypes {
            locus: self.locus,
            contig_len_nt: self.contig_len_nt,
            reference: self.reference,
            edits: self.edits,
            haplotypes,
            pairs,
        }
    }
}

fn path(nodes: &[Node], mut node: u32) -> Vec<u32> {
    let mut edits = Vec::new();
    while node != ROOT {
        edits.push(nodes[node as usize].edit);
        node = nodes[node as usize].parent;
    }
    edits.reverse();
    edits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A contig of 30 nt, records as (POS, REF, ALT) all on haplotype 1; the bases are those of bcftools 1.24 `consensus -s S1 -H 1`.
    fn h1(records: &[(usize, &str, &str)]) -> (String, Vec<Clash>) {
        let reference = b"ACGTACGTACGTACGTACGTACGTACGTAC".to_vec();
        let locus = Locus { name: "golden".into(), contig: "chr1".into(), start0: 0, end0: 30, strand: Strand::Forward };
        let mut builder = LocusBuilder::new(locus, None, reference, 1);
        let mut clashes = Vec::new();
        let mut on_clash = |_: u32, _: usize, clash: Clash| clashes.push(clash);
        for (position, r, a) in records {
            builder.settle_before(position - 1, &mut on_clash);
            if let Some(edit) = Edit::canonical(position - 1, r.as_bytes(), a.as_bytes()) {
                let ordered = OrderedEdit { edit, position: *position, ref_allele: r.as_bytes().into(), alt_allele: a.as_bytes().into() };
                builder.add(ordered, &[0]);
            }
        }
        let built = builder.finish(&mut on_clash);
        let bases = String::from_utf8(built.bases(built.pairs[0][0])).unwrap();
        (bases, clashes)
    }

    fn starts(records: &[(usize, &str, &str)], expected: &str) {
        let (bases, clashes) = h1(records);
        assert!(bases.starts_with(expected), "{records:?}: {bases}");
        assert!(clashes.is_empty(), "{records:?}: {clashes:?}");
    }

    #[test]
    fn neighbouring_alleles_are_all_applied() {
        starts(&[(5, "AC", "A"), (7, "G", "T")], "ACGTATTACG");
        starts(&[(5, "ACG", "A"), (7, "G", "GTT")], "ACGTATTTACG");
        starts(&[(5, "A", "G"), (5, "A", "ATT")], "ACGTGTTCGT");
        starts(&[(5, "A", "G"), (5, "ACG", "A")], "ACGTGTACG");
        starts(&[(5, "A", "ATT"), (6, "C", "CGG")], "ACGTATTCGGGT");
        starts(&[(5, "ACG", "TTT")], "ACGTTTTTACG");
        starts(&[(5, "ACG", "TT")], "ACGTTTTACG");
        starts(&[(1, "AC", "C")], "CGTACG");
        starts(&[(1, "A", "TTA")], "TTACGT");
    }

    #[test]
    fn the_order_of_records_at_one_position_does_not_matter() {
        starts(&[(5, "A", "ATT"), (5, "A", "G")], "ACGTGTTCGT");
        starts(&[(5, "ACG", "A"), (5, "A", "G")], "ACGTGTACG");
        assert_eq!(h1(&[(5, "A", "ATT"), (5, "ACG", "A")]), h1(&[(5, "ACG", "A"), (5, "A", "ATT")]));
    }

    #[test]
    fn an_overlap_is_skipped_and_told() {
        assert_eq!(h1(&[(5, "ACG", "A"), (6, "C", "T")]), ("ACGTATACGTACGTACGTACGTACGTAC".into(), vec![Clash::Overlap]));
        assert_eq!(h1(&[(5, "ACGT", "A"), (7, "GTA", "G")]).1, vec![Clash::Overlap]);
        assert_eq!(h1(&[(5, "A", "ATT"), (5, "A", "AGG")]).1, vec![Clash::Overlap]);
        assert_eq!(h1(&[(5, "A", "G"), (5, "A", "T")]).1, vec![Clash::Overlap]);
        let (bases, clashes) = h1(&[(5, "A", "G"), (5, "A", "G")]);
        assert!(bases.starts_with("ACGTG"));
        assert_eq!(clashes, vec![Clash::Duplicate]);
    }
}

//! The record of partitions as trees: what was cut where, how responsible each superpixel is, and by which contingency.
//!
//! A record is kept for the first partitions only, and only where it is asked for. It is written as regions are refined, so
//! its leaves tile the image at any time, and they are what the heatmap is made of.

use crate::cause::subset::{SUPERPIXELS, Subset};
use crate::pixels::region::Region;
use crate::search::options::World;

/// A region of a recorded partition.
#[derive(Clone, Debug, PartialEq)]
pub struct TreeNode {
    /// Its pixels.
    pub region: Region,
    /// The region that it was cut from, by its number in the tree; `None` for the whole image.
    pub parent: Option<usize>,
    /// How many cuts led to it.
    pub depth: u32,
    /// Its responsibility, or its value as one of a sufficient set; 0 for the whole image.
    pub responsibility: f64,
    /// The share of the intact image's score that is at stake.
    pub stake: f64,
    /// The siblings that have to be masked for it to be decisive, by their numbers: its contingency, or all of its cut that
    /// a smallest sufficient set does without.
    pub contingency: Vec<usize>,
    /// Whether it was cut into superpixels that could be told from what is no cause: these have it as their parent.
    pub is_refined: bool,
}

/// A partition; a node comes after its parent, and the four superpixels of a cut come one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    /// The world in which its superpixels were refined; never [`World::Both`].
    pub world: World,
    /// The whole image first.
    pub nodes: Vec<TreeNode>,
}

/// Where a region is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId {
    tree: usize,
    node: usize,
}

/// The trees of the first partitions.
#[derive(Clone, Debug, Default)]
pub struct Record {
    trees: Vec<Tree>,
}

impl Record {
    /// What is recorded.
    #[must_use]
    pub fn trees(&self) -> &[Tree] {
        &self.trees
    }

    /// Begins the tree of a partition.
    pub fn begin(&mut self, world: World, whole: Region) -> NodeId {
        let root = TreeNode {
            region: whole,
            parent: None,
            depth: 0,
            responsibility: 0.0,
            stake: 1.0,
            contingency: Vec::new(),
            is_refined: false,
        };
        self.trees.push(Tree { world, nodes: vec![root] });
        NodeId { tree: self.trees.len() - 1, node: 0 }
    }

    /// Adds a superpixel to the region it was cut from; the four of a cut have to come in their order.
    pub fn add(&mut self, parent: NodeId, region: Region, (value, stake): (f64, f64), contingency: Subset) -> NodeId {
        let nodes = &mut self.trees[parent.tree].nodes;
        // The whole image is one node and cuts add four, so this is where the cut's first superpixel is.
        let node = nodes.len();
        let first = node - (node - 1) % SUPERPIXELS;
        nodes[parent.node].is_refined = true;
        let depth = nodes[parent.node].depth + 1;
        nodes.push(TreeNode {
            region,
            parent: Some(parent.node),
            depth,
            responsibility: value,
            stake,
            contingency: contingency.superpixels().map(|superpixel| first + superpixel).collect(),
            is_refined: false,
        });
        NodeId { tree: parent.tree, node }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contingency_names_siblings_by_their_numbers() {
        let (mut record, whole) = (Record::default(), Region::whole(8, 8));
        let root = record.begin(World::Contingency, whole);
        let mut ids = Vec::new();
        for piece in whole.cut(4, 4) {
            ids.push(record.add(root, piece, (0.5, 1.0), Subset::single(3)));
        }
        for piece in whole.cut(4, 4)[2].cut(6, 2) {
            record.add(ids[2], piece, (1.0, 1.0), Subset::single(0).with(1));
        }
        let nodes = &record.trees()[0].nodes;
        assert_eq!(nodes.len(), 9);
        assert_eq!(nodes[1].contingency, [4]);
        assert_eq!((nodes[8].parent, nodes[8].depth), (Some(3), 2));
        assert_eq!(nodes[8].contingency, [5, 6]);
        assert_eq!(nodes.iter().map(|node| node.is_refined).filter(|&is_refined| is_refined).count(), 2);
        assert!(nodes[0].is_refined && nodes[3].is_refined);
    }
}

//! Prompts with common beginnings as a forest of segments, so that every shared token is computed once.

/// A run of tokens that continues its parent's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// The prompt (index into the list) whose tokens `start..end` these are.
    pub(crate) prompt: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) parent: Option<usize>,
}

impl Node {
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }
}

/// Segments, parents before children, and for each prompt the nodes that spell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forest {
    pub(crate) nodes: Vec<Node>,
    pub(crate) paths: Vec<Vec<usize>>,
}

/// Whether common beginnings are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Merged where that saves at least [`WORTHWHILE`] tokens.
    Shared,
    /// One segment per prompt: the naive twin, and what length-dependent positions need.
    Separate,
}

/// Fewer saved tokens than this do not pay for a further segment.
const WORTHWHILE: usize = 8;

struct Group {
    members: Vec<usize>,
    start: usize,
    parent: Option<usize>,
    path: Vec<usize>,
}

impl Forest {
    /// Builds the forest. The result depends on the prompts alone. Prompts are not empty.
    pub(crate) fn new(prompts: &[&[u32]], sharing: Sharing) -> Self {
        let mut forest = Self { nodes: Vec::new(), paths: vec![Vec::new(); prompts.len()] };
        let mut order: Vec<usize> = (0..prompts.len()).collect();
        let mut stack = Vec::new();
        match sharing {
            Sharing::Separate => {
                for i in order {
                    forest.leaf(prompts, &[i], &Group { members: vec![i], start: 0, parent: None, path: Vec::new() });
                }
            }
            Sharing::Shared => {
                order.sort_by(|a, b| prompts[*a].cmp(prompts[*b]).then(a.cmp(b)));
                stack.push(Group { members: order, start: 0, parent: None, path: Vec::new() });
            }
        }
        while let Some(group) = stack.pop() {
            forest.split(prompts, group, &mut stack);
        }
        forest
    }

    /// A node for prompts that are equal from `group.start` on.
    fn leaf(&mut self, prompts: &[&[u32]], members: &[usize], group: &Group) {
        let Some(first) = members.first() else { return };
        let mut path = group.path.clone();
        if prompts[*first].len() > group.start {
            let end = prompts[*first].len();
            self.nodes.push(Node { prompt: *first, start: group.start, end, parent: group.parent });
            path.push(self.nodes.len() - 1);
        }
        for member in members {
            self.paths[*member].clone_from(&path);
        }
    }

    /// `group.members` are sorted and agree on their first `group.start` tokens.
    fn split(&mut self, prompts: &[&[u32]], mut group: Group, stack: &mut Vec<Group>) {
        let (Some(first), Some(last)) = (group.members.first().copied(), group.members.last().copied()) else { return };
        // Sorted, so the common beginning of all is that of the first and the last.
        let common = prompts[first].iter().zip(prompts[last]).take_while(|(a, b)| a == b).count();
        if common == prompts[first].len() && common == prompts[last].len() {
            let members = std::mem::take(&mut group.members);
            self.leaf(prompts, &members, &group);
            return;
        }
        if (common - group.start) * (group.members.len() - 1) >= WORTHWHILE {
            self.nodes.push(Node { prompt: first, start: group.start, end: common, parent: group.parent });
            group.parent = Some(self.nodes.len() - 1);
            group.path.push(self.nodes.len() - 1);
            group.start = common;
        }
        let ended: Vec<usize> = group.members.iter().copied().filter(|m| prompts[*m].len() == common).collect();
        self.leaf(prompts, &ended, &group);
        let mut rest: Vec<Vec<usize>> = Vec::new();
        for member in group.members.iter().copied().filter(|m| prompts[*m].len() > common) {
            match rest.last_mut() {
                Some(same) if prompts[same[0]][common] == prompts[member][common] => same.push(member),
                _ => rest.push(vec![member]),
            }
        }
        for members in rest.into_iter().rev() {
            stack.push(Group { members, start: group.start, parent: group.parent, path: group.path.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spell(forest: &Forest, prompts: &[&[u32]], i: usize) -> Vec<u32> {
        let mut at = 0;
        let mut out = Vec::new();
        let mut parent = None;
        for n in &forest.paths[i] {
            let node = &forest.nodes[*n];
            assert_eq!((node.start, node.parent), (at, parent));
            out.extend(&prompts[node.prompt][node.start..node.end]);
            at = node.end;
            parent = Some(*n);
        }
        out
    }

    #[test]
    fn every_path_spells_its_prompt_and_shared_tokens_stand_once() {
        let long: Vec<u32> = (0..20).collect();
        let mut a = long.clone();
        a.extend([50, 51]);
        let mut b = long.clone();
        b.extend([50, 52, 53]);
        let prompts: Vec<&[u32]> = vec![&a, &b, &long, &a, &[7], &[0], &[0, 1]];
        for sharing in [Sharing::Shared, Sharing::Separate] {
            let forest = Forest::new(&prompts, sharing);
            for i in 0..prompts.len() {
                assert_eq!(spell(&forest, &prompts, i), prompts[i], "{sharing:?} {i}");
            }
            let total: usize = forest.nodes.iter().map(Node::len).sum();
            let all: usize = prompts.iter().map(|p| p.len()).sum();
            match sharing {
                Sharing::Separate => assert_eq!(total, all),
                Sharing::Shared => assert!(total <= 20 + 2 + 3 + 1 + 1 + 2, "{total} tokens"),
            }
        }
    }
}

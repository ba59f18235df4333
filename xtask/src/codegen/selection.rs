//! What of a model is generated: the operations of `operations.toml` and all that their honoured members reach.

use std::collections::{BTreeMap, BTreeSet};

use super::config::Config;
use super::model::{Model, Operation, Reference, Shape};
use super::names;

/// The chosen operations and shapes, with the names of their statics.
pub struct Selection<'m> {
    /// In alphabetical order.
    pub operations: Vec<Operation<'m>>,
    /// In alphabetical order.
    pub missing: Vec<Operation<'m>>,
    /// The shapes in alphabetical order.
    pub shapes: BTreeMap<&'m str, Shape<'m>>,
    /// The operations' inputs and outputs.
    pub ends: BTreeSet<&'m str>,
    /// Structures that stand as a member, an element or a value.
    pub parts: BTreeSet<&'m str>,
    /// By structure, the members in the model's order.
    members: BTreeMap<&'m str, Vec<Member<'m>>>,
    statics: BTreeMap<&'m str, String>,
}

/// A member of a chosen structure.
#[derive(Clone, Copy)]
pub struct Member<'m> {
    pub reference: Reference<'m>,
    pub honoured: bool,
    pub required: bool,
}

impl<'m> Selection<'m> {
    pub fn make(model: &'m Model, config: &Config) -> Result<Selection<'m>, String> {
        let mut chosen = Vec::new();
        for name in &config.operations {
            chosen.push(model.operation(name).ok_or_else(|| format!("the model has no operation `{name}`"))?);
        }
        chosen.sort_by_key(|operation| operation.name);
        let is_chosen = |name: &str| config.operations.iter().any(|operation| operation == name);
        let missing = model.operations().into_iter().filter(|operation| !is_chosen(operation.name)).collect();
        let mut selection = Selection {
            operations: chosen,
            missing,
            shapes: BTreeMap::new(),
            ends: BTreeSet::new(),
            parts: BTreeSet::new(),
            members: BTreeMap::new(),
            statics: BTreeMap::new(),
        };
        for operation in selection.operations.clone() {
            let mut inputs = operation.input().into_iter().flat_map(|input| input.members(model));
            if inputs.any(|member| member.target.flag("eventstream")) {
                return Err(format!("`{}` takes an event stream: leave it out", operation.name));
            }
            for end in [operation.input(), operation.output()].into_iter().flatten() {
                selection.ends.insert(end.name);
                selection.add(end, model, config)?;
            }
        }
        selection.check(config)?;
        selection.name_statics();
        Ok(selection)
    }

    /// The members of a chosen structure.
    pub fn members(&self, structure: &str) -> &[Member<'m>] {
        &self.members[structure]
    }

    /// The name of a chosen shape's static.
    pub fn static_name(&self, shape: &str) -> &str {
        &self.statics[shape]
    }

    /// Whether a field of type `target` in `structure` would make the struct contain itself.
    pub fn is_recursive(&self, structure: &str, target: Shape<'m>) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![target];
        while let Some(shape) = open.pop() {
            if !shape.is_structure() || !seen.insert(shape.name) {
                continue;
            }
            if shape.name == structure {
                return true;
            }
            let members = self.members(shape.name).iter().filter(|member| member.honoured);
            open.extend(members.map(|member| member.reference.target));
        }
        false
    }

    fn add(&mut self, shape: Shape<'m>, model: &'m Model, config: &Config) -> Result<(), String> {
        if self.shapes.insert(shape.name, shape).is_some() {
            return Ok(());
        }
        let parts = match shape.kind() {
            "structure" => self.add_members(shape, model, config)?,
            "list" => vec![shape.part("member", model).target],
            "map" => vec![shape.part("key", model).target, shape.part("value", model).target],
            _ => Vec::new(),
        };
        for part in parts {
            if part.is_structure() {
                self.parts.insert(part.name);
            }
            self.add(part, model, config)?;
        }
        Ok(())
    }

    /// Notes the members of `structure`; gives the shapes of those whose shape is described.
    fn add_members(
        &mut self,
        structure: Shape<'m>,
        model: &'m Model,
        config: &Config,
    ) -> Result<Vec<Shape<'m>>, String> {
        let mut members = Vec::new();
        for reference in structure.members(model) {
            let honoured = config.honours(structure.name, reference.name);
            let required = structure.requires(reference.name);
            if required && !honoured {
                return Err(format!("`{}` requires `{}`: it can't be ignored", structure.name, reference.name));
            }
            members.push(Member { reference, honoured, required });
        }
        let described = members.iter().filter(|member| member.is_described() && !member.is_streaming());
        let parts = described.map(|member| member.reference.target).collect();
        self.members.insert(structure.name, members);
        Ok(parts)
    }

    /// Every name in `operations.toml` must mean something.
    fn check(&self, config: &Config) -> Result<(), String> {
        let ignored =
            config.ignored.iter().flat_map(|(structure, members)| members.iter().map(move |m| (structure, m)));
        let renamed =
            config.query_names.iter().flat_map(|(structure, names)| names.keys().map(move |m| (structure, m)));
        for (structure, member) in ignored.chain(renamed) {
            let members = self.members.get(structure.as_str());
            let is_there = members.is_some_and(|members| members.iter().any(|known| known.reference.name == member));
            if !is_there {
                return Err(format!("operations.toml names `{structure}.{member}`, which no chosen operation has"));
            }
        }
        let named = config.xml_names.keys().chain(config.map_names.keys());
        match named.into_iter().find(|name| !self.shapes.contains_key(name.as_str())) {
            Some(name) => Err(format!("operations.toml names `{name}`, which no chosen operation has")),
            None => Ok(()),
        }
    }

    fn name_statics(&mut self) {
        let mut taken = BTreeSet::new();
        for shape in self.shapes.keys() {
            let mut name = names::shout(shape);
            while !taken.insert(name.clone()) {
                name.push('_');
            }
            self.statics.insert(shape, name);
        }
    }
}

impl Member<'_> {
    /// Whether the tables describe the member's shape: of what is not honoured only scalars are.
    pub fn is_described(&self) -> bool {
        self.honoured || !matches!(self.reference.target.kind(), "structure" | "list" | "map")
    }

    /// A streaming blob or the events are the body, an exception among the events is an error: these are no fields.
    pub fn is_field(&self) -> bool {
        let target = self.reference.target;
        self.honoured && !self.is_streaming() && !target.flag("eventstream") && !target.flag("exception")
    }

    pub fn is_streaming(&self) -> bool {
        self.reference.target.kind() == "blob" && self.reference.flag("streaming")
    }
}

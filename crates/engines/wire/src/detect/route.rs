use http::HeaderMap;

use crate::Parameters;
use crate::parameters::decode;
use crate::schema::{self, Location, Missing, Operation};

/// The labels of a path by their names in the template.
pub type Labels = Vec<(&'static str, String)>;

/// What a REST request asks for.
#[derive(Clone, Copy, Debug)]
pub enum Asked {
    Operation(&'static Operation),
    Missing(&'static Missing),
}

/// A REST service's URI templates, compiled, the most specific first.
pub struct Router {
    routes: Vec<Route>,
}

struct Route {
    asked: Asked,
    method: &'static str,
    segments: Vec<Segment>,
    /// Query parameters that the template names, with the value that it demands.
    literals: Vec<(&'static str, Option<&'static str>)>,
    /// Query parameters and headers that the input demands: they tell UploadPart and CopyObject from PutObject.
    demanded: Vec<(&'static str, Location)>,
}

enum Segment {
    Literal(&'static str),
    Label(&'static str),
    /// The rest of the path.
    Greedy(&'static str),
}

impl Router {
    pub fn new(service: &'static schema::Service) -> Router {
        let operations = service.operations.iter().map(|operation| {
            let members = operation.input.members.iter().filter(|member| member.required);
            let members = members.filter(|member| matches!(member.location, Location::Query | Location::Header));
            let demanded = members.map(|member| (member.wire_name, member.location)).collect();
            Route::new(Asked::Operation(operation), operation.method, operation.uri, demanded)
        });
        let missing = service
            .missing
            .iter()
            .map(|missing| Route::new(Asked::Missing(missing), missing.method, missing.uri, Vec::new()));
        let mut routes: Vec<Route> = operations.chain(missing).collect();
        // Stable: an operation that Kobel has precedes a missing one of the same form.
        routes.sort_by_key(|route| std::cmp::Reverse(route.specificity()));
        Router { routes }
    }

    /// The operation that a request asks for. `path` is raw: still percent-encoded and not normalised.
    ///
    /// A request that lacks what an input demands is matched nevertheless if nothing else fits: validation tells.
    pub fn find(&self, method: &str, path: &str, query: &Parameters, headers: &HeaderMap) -> Option<(Asked, Labels)> {
        let fits = |route: &&Route| route.method == method && route.has_literals(query);
        let strict = self.routes.iter().filter(fits).filter(|route| route.has_demanded(query, headers));
        if let Some(found) = first_of(strict, path) {
            return Some(found);
        }
        first_of(self.routes.iter().filter(fits), path)
    }
}

fn first_of<'a>(mut routes: impl Iterator<Item = &'a Route>, path: &str) -> Option<(Asked, Labels)> {
    routes.find_map(|route| Some((route.asked, route.labels(path)?)))
}

impl Route {
    fn new(asked: Asked, method: &'static str, uri: &'static str, demanded: Vec<(&'static str, Location)>) -> Route {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let segments = path.trim_start_matches('/').split('/').filter(|part| !part.is_empty()).map(|part| {
            match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                Some(label) => label.strip_suffix('+').map_or(Segment::Label(label), Segment::Greedy),
                None => Segment::Literal(part),
            }
        });
        // Clients may send `x-id`, and the models name it, only to tell operations apart in a log.
        let literals = query.split('&').filter(|part| !part.is_empty() && !part.starts_with("x-id="));
        let literals = literals.map(|part| part.split_once('=').map_or((part, None), |(k, v)| (k, Some(v))));
        Route { asked, method, segments: segments.collect(), literals: literals.collect(), demanded }
    }

    /// Query literals first, then fixed segments, then what the input demands.
    fn specificity(&self) -> (usize, usize, usize, bool) {
        let fixed = self.segments.iter().filter(|segment| matches!(segment, Segment::Literal(_))).count();
        let greedy = self.segments.iter().any(|segment| matches!(segment, Segment::Greedy(_)));
        (fixed, self.literals.len(), self.demanded.len(), !greedy)
    }

    fn has_literals(&self, query: &Parameters) -> bool {
        self.literals.iter().all(|(name, value)| match (query.get(name), value) {
            (Some(given), Some(wanted)) => given == *wanted,
            (given, _) => given.is_some(),
        })
    }

    fn has_demanded(&self, query: &Parameters, headers: &HeaderMap) -> bool {
        self.demanded.iter().all(|(name, location)| match location {
            Location::Header => headers.contains_key(*name),
            _ => query.has(name),
        })
    }

    /// The labels if the path fits; one slash at the end is allowed.
    fn labels(&self, path: &str) -> Option<Labels> {
        let mut labels = Vec::new();
        let mut rest = Some(path.strip_prefix('/').unwrap_or(path)).filter(|rest| !rest.is_empty());
        for segment in &self.segments {
            let text = rest?;
            if let Segment::Greedy(name) = segment {
                labels.push((*name, decode(text).filter(|text| !text.is_empty())?));
                return Some(labels);
            }
            let (part, after) = text.split_once('/').map_or((text, None), |(part, after)| (part, Some(after)));
            match segment {
                Segment::Literal(literal) if part != *literal => return None,
                Segment::Label(_) if part.is_empty() => return None,
                Segment::Label(name) => labels.push((*name, decode(part)?)),
                _ => {}
            }
            rest = after;
        }
        rest.is_none_or(str::is_empty).then_some(labels)
    }
}

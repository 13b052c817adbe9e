//! The engines of all schemas: the one that is served, and those behind feature flags.

use super::{
    engine::{Engine, Options},
    stats::EngineStats,
};
use crate::federation::Schemas;
use http::{HeaderMap, header::COOKIE};
use std::{collections::BTreeMap, sync::Arc};

/// Clients choose a schema by this header, or else by the cookie.
const HEADER: &str = "x-feature-flag";
const COOKIE_NAME: &str = "feature_flag";

pub(super) struct Engines {
    base: Arc<Engine>,
    flags: BTreeMap<String, Arc<Engine>>,
}

impl Engines {
    pub(super) fn new(schemas: Schemas, options: &Options, stats: &Arc<EngineStats>) -> Self {
        let engine = |schema| Arc::new(Engine::new(schema, options.clone(), stats.clone()));
        let flags = schemas.flags.into_iter().map(|(flag, schema)| (flag, engine(schema))).collect();
        Self { base: engine(schemas.base), flags }
    }

    /// The engine of the graph without a flag.
    pub(super) fn base(&self) -> &Arc<Engine> {
        &self.base
    }

    /// The engine for a request. A flag that nobody knows chooses nothing.
    pub(super) fn choose(&self, headers: &HeaderMap) -> &Arc<Engine> {
        if self.flags.is_empty() {
            return &self.base;
        }
        let flag = flag_of(headers);
        flag.and_then(|it| self.flags.get(it)).unwrap_or(&self.base)
    }
}

/// The flag that a request names; the header wins.
fn flag_of(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(HEADER).and_then(|it| it.to_str().ok()).map(str::trim);
    header.filter(|it| !it.is_empty()).or_else(|| cookie(headers))
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|it| it.to_str().ok());
    let mut pairs = lines.flat_map(|it| it.split(';')).filter_map(|it| it.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE_NAME).map(|(_, value)| value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn flags_come_by_header_or_cookie() {
        let flag = |lines: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, HeaderValue::from_static(value));
            }
            flag_of(&headers).map(str::to_owned)
        };
        assert_eq!(flag(&[]), None);
        assert_eq!(flag(&[("x-feature-flag", "a")]).as_deref(), Some("a"));
        assert_eq!(flag(&[("x-feature-flag", ""), ("cookie", "x=1; feature_flag=b")]).as_deref(), Some("b"));
        assert_eq!(flag(&[("x-feature-flag", "a"), ("cookie", "feature_flag=b")]).as_deref(), Some("a"));
        assert_eq!(
            flag(&[("cookie", "my_feature_flag=c"), ("cookie", "feature_flag=\"d\"")]).as_deref(),
            Some("d")
        );
    }
}

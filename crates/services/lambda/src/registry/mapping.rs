use std::collections::BTreeMap;

use base::{Scope, Timestamp};
use serde::{Deserialize, Serialize};

/// An event source mapping: a queue whose messages a function gets in batches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventSourceMapping {
    #[serde(skip)]
    pub scope: Scope,
    #[serde(skip)]
    pub uuid: String,
    /// The function's name.
    pub function_name: String,
    /// An alias or a number; absent for the function itself.
    pub qualifier: Option<String>,
    pub event_source_arn: String,
    /// Whether it is to run: its state is `Enabled`, else `Disabled`.
    pub enabled: bool,
    pub batch_size: u32,
    pub maximum_batching_window_s: u32,
    /// Whether the function reports failed items: `ReportBatchItemFailures`.
    pub report_batch_item_failures: bool,
    /// `ScalingConfig.MaximumConcurrency`.
    pub maximum_concurrency: Option<u32>,
    /// Event patterns, JSON texts; a message that matches none is dropped. Empty: no filter.
    pub filters: Vec<String>,
    pub tags: BTreeMap<String, String>,
    pub last_modified: Timestamp,
}

impl EventSourceMapping {
    /// `…:event-source-mapping:<uuid>`.
    pub fn arn(&self) -> String {
        self.scope.arn("lambda", &format!("event-source-mapping:{}", self.uuid))
    }

    /// The function's ARN, with the qualifier if there is one.
    pub fn function_arn(&self) -> String {
        let qualifier = self.qualifier.as_ref().map(|qualifier| format!(":{qualifier}")).unwrap_or_default();
        self.scope.arn("lambda", &format!("function:{}{qualifier}", self.function_name))
    }
}

use std::sync::Arc;

use model_lambda::{
    FunctionConfiguration, ListVersionsByFunctionRequest, ListVersionsByFunctionResponse, PublishVersionRequest,
};
use wire::{Call, Error};

use crate::configuration::{Moment, describe};
use crate::error::invalid;
use crate::page::page;
use crate::registry::{Code, Function, FunctionSettings, Package, Version};
use crate::service::{Lambda, check_revision};

const PAGE_MAX: usize = 50;
/// The tag by which published versions of a Node.js function have SnapStart.
pub(super) const SNAP_START_TAG: &str = "kobel:snap-start";
/// What its value may be, as that of `ApplyOn`.
pub(super) const SNAP_START_VALUES: [&str; 2] = ["PublishedVersions", "None"];

/// A published version of `$LATEST`. Where code and configuration are those of the newest one, it is that one.
pub async fn publish_version(
    lambda: Arc<Lambda>,
    call: Call,
    input: PublishVersionRequest,
) -> Result<FunctionConfiguration, Error> {
    let (name, _) = lambda.named(&call, &input.function_name, None)?;
    let mut published = None;
    let changed = lambda.change(&name, |function| {
        check_revision(input.revision_id.as_deref(), &function.latest.revision_id, "GetFunction/GetAlias")?;
        if let Some(sha256) = input.code_sha256.as_ref().filter(|sha256| **sha256 != function.latest.code.sha256()) {
            return Err(invalid(format!(
                "CodeSHA256 ({sha256}) is different from current CodeSHA256 in $LATEST ({}). Please try again with \
                 the CodeSHA256 in $LATEST.",
                function.latest.code.sha256()
            )));
        }
        published = Some(publish(&lambda, function, input.description.as_deref()));
        Ok(())
    });
    let function = changed.await?;
    let version = published.unwrap_or_else(|| function.latest.clone());
    let moment = lambda.published(&version, Moment::Settled);
    Ok(describe(&version, version.qualified_arn(), moment))
}

/// Publishes `$LATEST`, unless the newest version is the same but for its number and description.
pub(super) fn publish(lambda: &Lambda, function: &mut Function, description: Option<&str>) -> Arc<Version> {
    let latest = Version { snap_start: snap_start_of(function), ..Version::clone(&function.latest) };
    if let Some((_, newest)) = function.versions.last_key_value()
        && same(newest, &latest)
    {
        return newest.clone();
    }
    let number = function.settings.last_version + 1;
    let version = Version {
        version: number.to_string(),
        revision: lambda.revision(),
        revision_id: lambda.revision(),
        description: description.map_or_else(|| function.latest.description.clone(), str::to_owned),
        last_modified: lambda.fabric.now(),
        ..latest
    };
    let version = Arc::new(version);
    function.versions.insert(number, version.clone());
    let settings = FunctionSettings { last_version: number, ..FunctionSettings::clone(&function.settings) };
    function.settings = Arc::new(settings);
    lambda.renew_revision(function);
    version
}

/// The setting of a new version: Node.js, for which Lambda refuses the setting itself, has it by a tag.
fn snap_start_of(function: &Function) -> String {
    let latest = &function.latest;
    let is_node = latest.runtime.as_deref().is_some_and(|runtime| runtime.starts_with("nodejs"));
    let tag = function.settings.tags.get(SNAP_START_TAG).filter(|_| is_node);
    tag.unwrap_or(&latest.snap_start).clone()
}

/// The same code by its digest: an upload of the same archive is no change.
fn same(published: &Version, latest: &Version) -> bool {
    let code = match (&published.code, &latest.code) {
        (Code::Package(published), Code::Package(latest)) => {
            Code::Package(Package { blob: published.blob.clone(), ..latest.clone() })
        }
        (_, latest) => latest.clone(),
    };
    let latest = Version {
        code,
        version: published.version.clone(),
        revision: published.revision.clone(),
        revision_id: published.revision_id.clone(),
        description: published.description.clone(),
        last_modified: published.last_modified,
        ..Version::clone(latest)
    };
    *published == latest
}

pub async fn list_versions_by_function(
    lambda: Arc<Lambda>,
    call: Call,
    input: ListVersionsByFunctionRequest,
) -> Result<ListVersionsByFunctionResponse, Error> {
    let (_, function) = lambda.named(&call, &input.function_name, None)?;
    let keyed = function.all_versions().map(|version| {
        let place = version.version.parse().map_or(0, |number: u64| number);
        (format!("{place:020}"), version)
    });
    let (page, next_marker) = page(keyed, input.marker.as_deref(), input.max_items, PAGE_MAX)?;
    let entry = |version: &Arc<Version>| describe(version, version.qualified_arn(), Moment::Listed);
    Ok(ListVersionsByFunctionResponse { versions: Some(page.into_iter().map(entry).collect()), next_marker })
}

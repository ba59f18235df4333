use std::sync::Arc;

use model_lambda::{
    Concurrency, FunctionCodeLocation, FunctionConfiguration, GetFunctionConfigurationRequest, GetFunctionRequest,
    GetFunctionResponse, ListFunctionsRequest, ListFunctionsResponse,
};
use wire::{Call, Error};

use crate::configuration::{Moment, describe};
use crate::page::page;
use crate::registry::{Code, Function, FunctionName, LATEST, Version};
use crate::service::Lambda;

/// How many functions a page holds at most.
const PAGE_MAX: usize = 50;

/// The version that a caller named, for reading.
pub(super) fn version<'f>(name: &FunctionName, function: &'f Function) -> Result<&'f Arc<Version>, Error> {
    let qualifier = name.qualifier.as_deref().unwrap_or(LATEST);
    function.version(qualifier).ok_or_else(|| name.not_found())
}

pub async fn get_function(
    lambda: Arc<Lambda>,
    call: Call,
    input: GetFunctionRequest,
) -> Result<GetFunctionResponse, Error> {
    let (name, function) = lambda.named(&call, &input.function_name, input.qualifier.as_deref())?;
    let version = version(&name, &function)?;
    let settings = &function.settings;
    Ok(GetFunctionResponse {
        configuration: Some(describe(version, name.invoked_arn(), lambda.moment(version))),
        code: Some(location(version, &call.origin)),
        tags: (!settings.tags.is_empty()).then(|| settings.tags.clone()),
        tags_error: None,
        concurrency: settings
            .reserved_concurrency
            .and_then(|reserved| i32::try_from(reserved).ok())
            .map(|reserved| Concurrency { reserved_concurrent_executions: Some(reserved) }),
    })
}

/// Where a version's code is.
fn location(version: &Version, origin: &str) -> FunctionCodeLocation {
    match &version.code {
        Code::Package(package) => FunctionCodeLocation {
            repository_type: Some("S3".into()),
            location: Some(format!("{origin}/_kobel/code/{}", package.digest())),
            ..FunctionCodeLocation::default()
        },
        Code::Image { image, .. } => FunctionCodeLocation {
            repository_type: Some("ECR".into()),
            image_uri: Some(image.uri.clone()),
            resolved_image_uri: Some(image.resolved_uri.clone()),
            ..FunctionCodeLocation::default()
        },
    }
}

pub async fn get_function_configuration(
    lambda: Arc<Lambda>,
    call: Call,
    input: GetFunctionConfigurationRequest,
) -> Result<FunctionConfiguration, Error> {
    let (name, function) = lambda.named(&call, &input.function_name, input.qualifier.as_deref())?;
    let version = version(&name, &function)?;
    Ok(describe(version, name.invoked_arn(), lambda.moment(version)))
}

/// The functions, or with `FunctionVersion=ALL` all their versions.
pub async fn list_functions(
    lambda: Arc<Lambda>,
    call: Call,
    input: ListFunctionsRequest,
) -> Result<ListFunctionsResponse, Error> {
    let account = lambda.registry.account(&call.scope);
    let all = input.function_version.as_deref() == Some("ALL");
    let versions =
        account.functions.values().flat_map(|function| function.all_versions().take(if all { usize::MAX } else { 1 }));
    let keyed = versions.map(|version| {
        // `$LATEST` comes before the numbers, which are padded to stay in their order. The zero byte sorts before all
        // that a name may hold, so that the keys are in the order of the names.
        let place = version.version.parse().map_or(0, |number: u64| number);
        (format!("{}\0{place:020}", version.function_name), version)
    });
    let (page, next_marker) = page(keyed, input.marker.as_deref(), input.max_items, PAGE_MAX)?;
    let entry = |version: &Arc<Version>| {
        let arn = if all { version.qualified_arn() } else { version.arn.clone() };
        describe(version, arn, Moment::Listed)
    };
    Ok(ListFunctionsResponse { functions: Some(page.into_iter().map(entry).collect()), next_marker })
}

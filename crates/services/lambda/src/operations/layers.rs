use std::collections::BTreeMap;
use std::sync::Arc;

use base::Scope;
use model_lambda::{
    DeleteLayerVersionOutput, DeleteLayerVersionRequest, FunctionCode, GetLayerVersionByArnRequest,
    GetLayerVersionRequest, GetLayerVersionResponse, LayerVersionContentOutput, LayerVersionsListItem, LayersListItem,
    ListLayerVersionsRequest, ListLayerVersionsResponse, ListLayersRequest, ListLayersResponse,
    PublishLayerVersionRequest, PublishLayerVersionResponse,
};
use wire::{Call, Error};

use crate::code::Source;
use crate::configuration::check_compatible_runtimes;
use crate::error::{denied, missing};
use crate::layer::check_access;
use crate::page::page;
use crate::registry::{LayerName, LayerReference, LayerVersion, Package, Policy, PublishedLayer};
use crate::service::Lambda;

const PAGE_MAX: usize = 50;

/// A new version of a layer, which is made with its first one.
pub async fn publish_layer_version(
    lambda: Arc<Lambda>,
    call: Call,
    input: PublishLayerVersionRequest,
) -> Result<PublishLayerVersionResponse, Error> {
    let origin = call.origin.clone();
    let (name, version) = publish(&lambda, call, input, None).await?;
    let shown = show(&version, &name, &origin);
    Ok(PublishLayerVersionResponse {
        content: shown.content,
        layer_arn: shown.layer_arn,
        layer_version_arn: shown.layer_version_arn,
        description: shown.description,
        created_date: shown.created_date,
        version: shown.version,
        compatible_runtimes: shown.compatible_runtimes,
        license_info: shown.license_info,
        compatible_architectures: shown.compatible_architectures,
    })
}

/// Publishes, once for each `creation`.
pub(crate) async fn publish(
    lambda: &Lambda,
    call: Call,
    input: PublishLayerVersionRequest,
    creation: Option<String>,
) -> Result<(LayerName, Arc<LayerVersion>), Error> {
    let name = LayerName::parse(&call.scope, &input.layer_name)?;
    check_own(&call, &name, "lambda:PublishLayerVersion", &name.arn())?;
    check_compatible_runtimes(input.compatible_runtimes.as_deref().unwrap_or_default())?;
    let content = FunctionCode {
        zip_file: input.content.zip_file,
        s3_bucket: input.content.s3_bucket,
        s3_key: input.content.s3_key,
        s3_object_version: input.content.s3_object_version,
        ..FunctionCode::default()
    };
    let archive = Source::of(content)?.fetch(&lambda.fabric, &name.scope, &call.trace).await?;
    let package = lambda.packages.store(archive).await.map_err(Error::from)?;
    let draft = LayerVersion {
        arn: String::new(),
        number: 0,
        package,
        description: input.description.unwrap_or_default(),
        created: lambda.fabric.now(),
        runtimes: input.compatible_runtimes,
        architectures: input.compatible_architectures,
        license: input.license_info,
        policy: Policy::default(),
        policy_revision: lambda.revision(),
        creation,
    };
    let published = lambda.registry.apply(&name.scope, |account, tx| {
        let unpublished = PublishedLayer { name: name.name.clone(), ..PublishedLayer::default() };
        let mut layer = account.layers.get(&name.name).map_or(unpublished, |layer| PublishedLayer::clone(layer));
        let number = *layer.last_version + 1;
        let version = Arc::new(LayerVersion { arn: name.version_arn(number), number, ..draft });
        layer.last_version = Arc::new(number);
        layer.versions.insert(number, version.clone());
        account.put_layer(tx, layer);
        Ok(version)
    });
    let version = published.await?;
    Ok((name, version))
}

pub async fn get_layer_version(
    lambda: Arc<Lambda>,
    call: Call,
    input: GetLayerVersionRequest,
) -> Result<GetLayerVersionResponse, Error> {
    let reference = LayerReference::of(&call.scope, &input.layer_name, input.version_number)?;
    get(&lambda, &call, &reference)
}

pub async fn get_layer_version_by_arn(
    lambda: Arc<Lambda>,
    call: Call,
    input: GetLayerVersionByArnRequest,
) -> Result<GetLayerVersionResponse, Error> {
    get(&lambda, &call, &LayerReference::parse(&input.arn)?)
}

fn get(lambda: &Lambda, call: &Call, reference: &LayerReference) -> Result<GetLayerVersionResponse, Error> {
    let version = lambda.registry.layer_version(reference);
    check_access(version.as_deref(), &call.scope, &call.caller.principal, reference)?;
    let version = version.ok_or_else(|| missing("The resource you requested does not exist."))?;
    Ok(show(&version, &reference.layer, &call.origin))
}

/// The layers of the account, each with its newest version that is asked for; without one it is left out.
pub async fn list_layers(
    lambda: Arc<Lambda>,
    call: Call,
    input: ListLayersRequest,
) -> Result<ListLayersResponse, Error> {
    let account = lambda.registry.account(&call.scope);
    let matches = |version: &LayerVersion| {
        version.is_compatible(input.compatible_runtime.as_deref(), input.compatible_architecture.as_deref())
    };
    let newest = account.layers.values().filter_map(|layer| Some((layer.name.clone(), layer.newest(matches)?)));
    let (page, next_marker) = page(newest, input.marker.as_deref(), input.max_items, PAGE_MAX)?;
    let layers = page.into_iter().map(|version| layer_item(&call.scope, version)).collect();
    Ok(ListLayersResponse { next_marker, layers: Some(layers) })
}

fn layer_item(scope: &Scope, version: &LayerVersion) -> LayersListItem {
    let arn = version.arn.rsplit_once(':').map_or(version.arn.as_str(), |(layer, _)| layer);
    let name = LayerName::parse(scope, arn).map(|layer| layer.name).ok();
    LayersListItem { layer_name: name, layer_arn: Some(arn.to_owned()), latest_matching_version: Some(item(version)) }
}

/// The versions of a layer, the newest first.
pub async fn list_layer_versions(
    lambda: Arc<Lambda>,
    call: Call,
    input: ListLayerVersionsRequest,
) -> Result<ListLayerVersionsResponse, Error> {
    let name = LayerName::parse(&call.scope, &input.layer_name)?;
    check_own(&call, &name, "lambda:ListLayerVersions", &name.arn())?;
    let account = lambda.registry.account(&name.scope);
    let versions = account.layers.get(&name.name).map(|layer| &layer.versions);
    let matching = versions.into_iter().flat_map(BTreeMap::values).rev().filter(|version| {
        version.is_compatible(input.compatible_runtime.as_deref(), input.compatible_architecture.as_deref())
    });
    // Keys that grow as the numbers fall.
    let keyed = matching.map(|version| (format!("{:020}", u64::MAX - version.number), version));
    let (page, next_marker) = page(keyed, input.marker.as_deref(), input.max_items, PAGE_MAX)?;
    let layer_versions = page.into_iter().map(|version| item(version)).collect();
    Ok(ListLayerVersionsResponse { next_marker, layer_versions: Some(layer_versions) })
}

/// Deletes a version, if it is there. Functions that have it keep its package.
pub async fn delete_layer_version(
    lambda: Arc<Lambda>,
    call: Call,
    input: DeleteLayerVersionRequest,
) -> Result<DeleteLayerVersionOutput, Error> {
    let reference = LayerReference::of(&call.scope, &input.layer_name, input.version_number)?;
    check_own(&call, &reference.layer, "lambda:DeleteLayerVersion", &reference.arn())?;
    let removed = lambda.registry.apply(&reference.layer.scope, |account, tx| {
        let Some(layer) = account.layers.get(&reference.layer.name) else { return Ok(None) };
        let mut layer = PublishedLayer::clone(layer);
        let removed = layer.versions.remove(&reference.number);
        account.put_layer(tx, layer);
        Ok(removed)
    });
    let packages: Option<Package> = removed.await?.map(|version| version.package.clone());
    lambda.collect(packages.iter()).await;
    Ok(DeleteLayerVersionOutput {})
}

/// Only its owner changes a layer: other accounts can be given no more than its versions.
pub(super) fn check_own(call: &Call, layer: &LayerName, action: &str, resource: &str) -> Result<(), Error> {
    match layer.scope.account == call.scope.account {
        true => Ok(()),
        false => Err(denied(&call.caller.principal, action, resource)),
    }
}

fn show(version: &LayerVersion, layer: &LayerName, origin: &str) -> GetLayerVersionResponse {
    let package = &version.package;
    let content = LayerVersionContentOutput {
        location: Some(format!("{origin}/_kobel/code/{}", package.digest())),
        code_sha256: Some(package.sha256.clone()),
        code_size: i64::try_from(package.size).ok(),
    };
    let item = item(version);
    GetLayerVersionResponse {
        content: Some(content),
        layer_arn: Some(layer.arn()),
        layer_version_arn: item.layer_version_arn,
        description: item.description,
        created_date: item.created_date,
        version: item.version,
        compatible_runtimes: item.compatible_runtimes,
        license_info: item.license_info,
        compatible_architectures: item.compatible_architectures,
    }
}

fn item(version: &LayerVersion) -> LayerVersionsListItem {
    LayerVersionsListItem {
        layer_version_arn: Some(version.arn.clone()),
        version: i64::try_from(version.number).ok(),
        description: Some(version.description.clone()),
        created_date: Some(version.created.iso8601_offset()),
        compatible_runtimes: version.runtimes.clone(),
        license_info: version.license.clone(),
        compatible_architectures: version.architectures.clone(),
    }
}

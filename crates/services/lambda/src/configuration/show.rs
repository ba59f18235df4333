use model_lambda as model;

use crate::registry::{Alias, Code, ImageOverrides, Layer, Version, Vpc};

/// At which moment a configuration is shown: what its states say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The answer that tells of the creation.
    Created,
    /// The answer that tells of an update.
    Updated,
    /// Any later one.
    Settled,
    /// In a list, which leaves the states out.
    Listed,
    /// While the first snapshot is taken.
    Pending,
    /// Once there is a snapshot.
    Optimized,
    /// After the init for the snapshot failed.
    Failed,
}

const BEING_CREATED: &str = "The function is being created.";
const INIT_FAILED: &str = "The function failed to initialize for its snapshot. Its log tells why.";

/// The configuration as AWS shows it, under `arn`.
pub fn describe(version: &Version, arn: String, moment: Moment) -> model::FunctionConfiguration {
    let creating = matches!(moment, Moment::Created | Moment::Pending);
    let updating = moment == Moment::Updated;
    let being_created = |shown: bool| shown.then(|| BEING_CREATED.to_owned());
    let code = |shown: bool| shown.then(|| "Creating".to_owned());
    let state = match moment {
        Moment::Created | Moment::Pending => Some("Pending"),
        Moment::Updated | Moment::Settled | Moment::Optimized => Some("Active"),
        Moment::Failed => Some("Failed"),
        Moment::Listed => None,
    };
    let update = match moment {
        Moment::Updated => Some("InProgress"),
        Moment::Settled | Moment::Optimized => Some("Successful"),
        Moment::Created | Moment::Pending | Moment::Failed | Moment::Listed => None,
    };
    model::FunctionConfiguration {
        state: state.map(str::to_owned),
        state_reason: being_created(creating).or_else(|| failed(moment, INIT_FAILED)),
        state_reason_code: code(creating).or_else(|| failed(moment, "FunctionError")),
        last_update_status: update.map(str::to_owned),
        last_update_status_reason: being_created(updating),
        last_update_status_reason_code: code(updating),
        snap_start: Some(model::SnapStartResponse {
            apply_on: Some(version.snap_start.clone()),
            optimization_status: Some(if moment == Moment::Optimized { "On" } else { "Off" }.to_owned()),
        }),
        ..shown(version, arn)
    }
}

fn failed(moment: Moment, text: &str) -> Option<String> {
    (moment == Moment::Failed).then(|| text.to_owned())
}

/// All but the states.
fn shown(version: &Version, arn: String) -> model::FunctionConfiguration {
    model::FunctionConfiguration {
        function_name: Some(version.function_name.clone()),
        function_arn: Some(arn),
        runtime: version.runtime.clone(),
        role: Some(version.role.clone()),
        handler: version.handler.clone(),
        code_size: i64::try_from(version.code.size()).ok(),
        description: Some(version.description.clone()),
        timeout: i32::try_from(version.timeout_s).ok(),
        memory_size: i32::try_from(version.memory_mb).ok(),
        last_modified: Some(version.last_modified.iso8601_offset()),
        code_sha256: Some(version.code.sha256().to_owned()),
        version: Some(version.version.clone()),
        vpc_config: version.vpc.as_ref().map(vpc),
        dead_letter_config: version
            .dead_letter_target
            .clone()
            .map(|target| model::DeadLetterConfig { target_arn: Some(target) }),
        environment: version
            .environment
            .clone()
            .map(|variables| model::EnvironmentResponse { variables: Some(variables), error: None }),
        kms_key_arn: version.kms_key_arn.clone(),
        tracing_config: Some(model::TracingConfigResponse { mode: Some(version.tracing_mode.clone()) }),
        revision_id: Some(version.revision_id.clone()),
        layers: layers_of(&version.layers),
        package_type: Some(version.code.package_type().to_owned()),
        image_config_response: image_config(&version.code),
        architectures: Some(vec![version.architecture.clone()]),
        ephemeral_storage: i32::try_from(version.ephemeral_storage_mb)
            .ok()
            .map(|size| model::EphemeralStorage { size }),
        logging_config: Some(model::LoggingConfig {
            log_format: Some(version.logging.format.clone()),
            application_log_level: version.logging.application_level.clone(),
            system_log_level: version.logging.system_level.clone(),
            log_group: Some(version.logging.group.clone()),
        }),
        ..model::FunctionConfiguration::default()
    }
}

/// Only shown where the function has some.
fn image_config(code: &Code) -> Option<model::ImageConfigResponse> {
    let Code::Image { overrides, .. } = code else { return None };
    let shown = model::ImageConfig {
        entry_point: overrides.entry_point.clone(),
        command: overrides.command.clone(),
        working_directory: overrides.working_directory.clone(),
    };
    (*overrides != ImageOverrides::default())
        .then_some(model::ImageConfigResponse { image_config: Some(shown), error: None })
}

/// Absent where there are none.
pub fn layers_of(layers: &[Layer]) -> Option<Vec<model::Layer>> {
    let layer = |layer: &Layer| model::Layer {
        arn: Some(layer.arn.clone()),
        code_size: i64::try_from(layer.package.size).ok(),
    };
    (!layers.is_empty()).then(|| layers.iter().map(layer).collect())
}

/// An alias as AWS shows it.
pub fn alias_configuration(alias: &Alias, function_arn: &str) -> model::AliasConfiguration {
    let routing = alias
        .additional
        .clone()
        .map(|pair| model::AliasRoutingConfiguration { additional_version_weights: Some([pair].into()) });
    model::AliasConfiguration {
        alias_arn: Some(format!("{function_arn}:{}", alias.name)),
        name: Some(alias.name.clone()),
        function_version: Some(alias.version.clone()),
        description: Some(alias.description.clone()),
        routing_config: routing,
        revision_id: Some(alias.revision_id.clone()),
    }
}

fn vpc(vpc: &Vpc) -> model::VpcConfigResponse {
    model::VpcConfigResponse {
        subnet_ids: Some(vpc.subnet_ids.clone()),
        security_group_ids: Some(vpc.security_group_ids.clone()),
        vpc_id: Some(String::new()),
        ipv6_allowed_for_dual_stack: Some(vpc.ipv6_allowed),
    }
}

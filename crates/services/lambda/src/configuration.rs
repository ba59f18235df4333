//! A function's configuration: what callers may set, the rules for it, and how it is shown.

mod rules;
mod show;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use model_lambda::{CreateFunctionRequest, ImageConfig, LoggingConfig, UpdateFunctionConfigurationRequest, VpcConfig};
use wire::Error;

use crate::registry::{Code, ImageOverrides, Layer, Logging, Version, Vpc};
pub use rules::{check_compatible_runtimes, check_whole};
pub use show::{Moment, alias_configuration, describe};

/// What is to be set of a configuration; what is absent stays as it is, or gets its default.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub role: Option<String>,
    pub runtime: Option<String>,
    pub handler: Option<String>,
    pub description: Option<String>,
    pub timeout_s: Option<i32>,
    pub memory_mb: Option<i32>,
    pub ephemeral_storage_mb: Option<i32>,
    pub environment: Option<BTreeMap<String, String>>,
    /// Layer version ARNs.
    pub layers: Option<Vec<String>>,
    /// Empty to have none.
    pub dead_letter_target: Option<String>,
    pub tracing_mode: Option<String>,
    pub logging: Option<LoggingConfig>,
    pub snap_start: Option<String>,
    pub vpc: Option<VpcConfig>,
    /// Empty to have none.
    pub kms_key_arn: Option<String>,
    pub image_config: Option<ImageConfig>,
}

impl Changes {
    /// Sets what is to be set. `layers` are the ones that [`Changes::layers`] names.
    pub fn apply(self, version: &mut Version, layers: Option<Vec<Layer>>) {
        set(&mut version.role, self.role);
        set(&mut version.description, self.description);
        set(&mut version.timeout_s, self.timeout_s.map(unsigned));
        set(&mut version.memory_mb, self.memory_mb.map(unsigned));
        set(&mut version.ephemeral_storage_mb, self.ephemeral_storage_mb.map(unsigned));
        set(&mut version.tracing_mode, self.tracing_mode);
        set(&mut version.snap_start, self.snap_start);
        set(&mut version.layers, layers);
        set(&mut version.environment, self.environment.map(Some));
        set(&mut version.runtime, self.runtime.map(Some));
        set(&mut version.handler, self.handler.map(Some));
        set(&mut version.dead_letter_target, self.dead_letter_target.map(unless_empty));
        set(&mut version.kms_key_arn, self.kms_key_arn.map(unless_empty));
        set(&mut version.vpc, self.vpc.map(|vpc| Some(Vpc::from(vpc))));
        if let (Some(given), Code::Image { overrides, .. }) = (self.image_config, &mut version.code) {
            *overrides = given.into();
        }
        if let Some(logging) = self.logging {
            version.logging = merge_logging(&version.logging, logging);
        }
    }

    /// What is wrong with it for a function of that package type, whose log format is `log_format` so far.
    pub fn check(&self, package_type: &str, log_format: &str) -> Result<(), Error> {
        rules::check_package_type(self, package_type)?;
        rules::check(self)?;
        let Some(logging) = &self.logging else { return Ok(()) };
        let has_level = logging.application_log_level.is_some() || logging.system_log_level.is_some();
        rules::check_logging(logging.log_format.as_deref().unwrap_or(log_format), has_level)
    }
}

impl From<&CreateFunctionRequest> for Changes {
    fn from(input: &CreateFunctionRequest) -> Changes {
        Changes {
            role: Some(input.role.clone()),
            runtime: input.runtime.clone(),
            handler: input.handler.clone(),
            description: input.description.clone(),
            timeout_s: input.timeout,
            memory_mb: input.memory_size,
            ephemeral_storage_mb: input.ephemeral_storage.as_ref().map(|storage| storage.size),
            environment: input.environment.clone().map(|environment| environment.variables.unwrap_or_default()),
            layers: input.layers.clone(),
            dead_letter_target: input.dead_letter_config.clone().map(|dlq| dlq.target_arn.unwrap_or_default()),
            tracing_mode: input.tracing_config.as_ref().and_then(|tracing| tracing.mode.clone()),
            logging: input.logging_config.clone(),
            snap_start: input.snap_start.as_ref().and_then(|snap_start| snap_start.apply_on.clone()),
            vpc: input.vpc_config.clone(),
            kms_key_arn: input.kms_key_arn.clone(),
            image_config: input.image_config.clone(),
        }
    }
}

impl From<&UpdateFunctionConfigurationRequest> for Changes {
    fn from(input: &UpdateFunctionConfigurationRequest) -> Changes {
        Changes {
            role: input.role.clone(),
            runtime: input.runtime.clone(),
            handler: input.handler.clone(),
            description: input.description.clone(),
            timeout_s: input.timeout,
            memory_mb: input.memory_size,
            ephemeral_storage_mb: input.ephemeral_storage.as_ref().map(|storage| storage.size),
            environment: input.environment.clone().map(|environment| environment.variables.unwrap_or_default()),
            layers: input.layers.clone(),
            dead_letter_target: input.dead_letter_config.clone().map(|dlq| dlq.target_arn.unwrap_or_default()),
            tracing_mode: input.tracing_config.as_ref().and_then(|tracing| tracing.mode.clone()),
            logging: input.logging_config.clone(),
            snap_start: input.snap_start.as_ref().and_then(|snap_start| snap_start.apply_on.clone()),
            vpc: input.vpc_config.clone(),
            kms_key_arn: input.kms_key_arn.clone(),
            image_config: input.image_config.clone(),
        }
    }
}

impl From<ImageConfig> for ImageOverrides {
    fn from(given: ImageConfig) -> ImageOverrides {
        ImageOverrides {
            entry_point: given.entry_point,
            command: given.command,
            // As by those who want none: the image's own.
            working_directory: given.working_directory.filter(|folder| !folder.is_empty()),
        }
    }
}

impl From<VpcConfig> for Vpc {
    fn from(vpc: VpcConfig) -> Vpc {
        Vpc {
            subnet_ids: vpc.subnet_ids.unwrap_or_default(),
            security_group_ids: vpc.security_group_ids.unwrap_or_default(),
            ipv6_allowed: vpc.ipv6_allowed_for_dual_stack.unwrap_or_default(),
        }
    }
}

/// Going to `JSON` brings the level `INFO`; going to `Text` drops the levels.
fn merge_logging(old: &Logging, new: LoggingConfig) -> Logging {
    let format = new.log_format.unwrap_or_else(|| old.format.clone());
    let json = format == "JSON";
    let level = |new: Option<String>, old: &Option<String>| {
        json.then(|| new.or_else(|| old.clone()).unwrap_or_else(|| "INFO".to_owned()))
    };
    Logging {
        application_level: level(new.application_log_level, &old.application_level),
        system_level: level(new.system_log_level, &old.system_level),
        group: new.log_group.unwrap_or_else(|| old.group.clone()),
        format,
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn unless_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// A number that the rules have found to be positive.
fn unsigned(number: i32) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

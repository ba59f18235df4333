//! Templates: a function's runtime after its init, from which environments are forked.
//!
//! What init made (modules, clients, models, caches) is there in every fork, at the price of the pages that it
//! writes to. This is how SnapStart is served where the runtime can be forked: Python and Node.js, as long as init
//! leaves no thread behind.

use std::sync::Arc;

use crate::environment::Environment;
use crate::error::StartError;
use crate::sandbox::Sandbox;
use crate::spec::{EnvironmentSpec, Output};

/// A template. It ends when the last clone of it, and the last environment that was forked from it, is dropped.
#[derive(Clone)]
pub struct Template {
    id: String,
    environment: Environment,
}

impl Template {
    /// Whether environments can be forked from it.
    pub fn is_alive(&self) -> bool {
        self.environment.is_alive()
    }

    /// How long its init phase took.
    pub fn init_duration(&self) -> std::time::Duration {
        self.environment.init_duration()
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

impl Sandbox {
    /// Runs the init phase of `spec`, with the function's hooks from before a snapshot, and keeps the runtime to be
    /// forked. Fails with [`StartError::Unforkable`] where this cannot be done; an environment can still be started.
    pub async fn make_template(&self, spec: EnvironmentSpec, output: Arc<dyn Output>) -> Result<Template, StartError> {
        let id = spec.id.clone();
        Ok(Template { id, environment: self.start_template(spec, output).await? })
    }

    /// Forks an environment, which runs the function's hooks from after the restoring; they count as its init
    /// phase. `spec` has the code, the layers and the limits of the template's, and an id and variables of its own.
    pub async fn restore(
        &self,
        template: &Template,
        spec: EnvironmentSpec,
        output: Arc<dyn Output>,
    ) -> Result<Environment, StartError> {
        let environment = self.start_from(template, spec, output).await?;
        environment.keep(template.environment.clone());
        Ok(environment)
    }
}

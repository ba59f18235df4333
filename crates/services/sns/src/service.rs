use std::sync::Arc;

use base::{Arn, Scope};
use cell::{Cell, Family};
use fabric::Fabric;
use wire::{Call, Error};

use crate::publish::Message;
use crate::topics::Topics;
use crate::{error, operations, resources, target};

pub struct Sns {
    pub(crate) fabric: Fabric,
    scopes: Family<Topics>,
}

impl Sns {
    pub fn open(fabric: Fabric) -> Arc<Sns> {
        let scopes = Family::new(&fabric.cells, "sns/");
        Arc::new(Sns { fabric, scopes })
    }

    /// Hangs the service in.
    pub fn plug(self: &Arc<Self>) {
        self.fabric.plugs.add_api(operations::api(self.clone()));
        self.fabric.plugs.add_target("sns", Arc::new(target::Topics::new(self.clone())));
        self.fabric.plugs.add_provider(Arc::new(resources::Provider::new(self.clone())));
    }

    pub(crate) async fn topics_of(&self, scope: &Scope) -> Result<Cell<Topics>, Error> {
        self.scopes.get(&scope.to_string()).await.map_err(Error::internal)
    }

    /// The cell of the caller's topics.
    pub(crate) async fn topics(&self, call: &Call) -> Result<Cell<Topics>, Error> {
        self.topics_of(&call.scope).await
    }

    /// The cell in which a topic or subscription would be, by its ARN.
    pub(crate) async fn cell_of(&self, call: &Call, arn: &str, member: &str) -> Result<Cell<Topics>, Error> {
        let parts = arn.split(':').count();
        if parts < 6 {
            let detail = format!("{member} Reason: An ARN must have at least 6 elements, not {parts}");
            return Err(error::invalid(detail));
        }
        let parsed: Arn = arn.parse().map_err(|_| error::invalid(member))?;
        if parsed.service != "sns" || parsed.region != call.scope.region.as_str() {
            return Err(error::invalid(member));
        }
        self.topics_of(&parsed.scope(&call.scope)).await
    }

    /// Sends messages to all that want them, in one batch: all, or none where the topic is gone or one is too large.
    pub(crate) async fn publish(
        &self,
        cell: &Cell<Topics>,
        scope: &Scope,
        topic: &str,
        messages: &[Message],
        origin: &str,
        trace: &base::Trace,
    ) -> Result<(), Error> {
        let published = cell.apply(|topics, tx| {
            let fits = topics.topic(topic).and_then(|topic| messages.iter().try_for_each(|m| m.check_size(topic)));
            if fits.is_err() {
                return Ok::<_, cell::Error>(fits);
            }
            for message in messages {
                let deliveries = topics
                    .subscriptions_of(topic)
                    .filter_map(|subscription| message.deliver(&self.fabric, scope, subscription, origin, trace));
                deliveries.for_each(|delivery| tx.send(delivery.message()));
            }
            Ok(Ok(()))
        });
        published.await.map_err(Error::internal)?
    }
}

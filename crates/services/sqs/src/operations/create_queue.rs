use std::collections::BTreeMap;
use std::sync::Arc;

use model_sqs::{CreateQueueRequest, CreateQueueResult};
use wire::{Call, Error};

use super::set_queue_attributes::check_redrive;
use super::tags::check_tags;
use crate::directory::Record;
use crate::error;
use crate::name::{FIFO_SUFFIX, QueueName};
use crate::service::{Failed, Sqs};
use crate::settings::{self, Attributes};

/// What a queue is made of.
pub(crate) struct Creation {
    pub(crate) name: QueueName,
    pub(crate) attributes: Attributes,
    pub(crate) tags: BTreeMap<String, String>,
}

pub(crate) async fn create_queue(
    sqs: Arc<Sqs>,
    call: Call,
    input: CreateQueueRequest,
) -> Result<CreateQueueResult, Error> {
    let attributes = input.attributes.unwrap_or_default();
    let fifo = attributes.get("FifoQueue").is_some_and(|fifo| fifo == "true");
    if attributes.contains_key("FifoQueue") && !fifo && !input.queue_name.ends_with(FIFO_SUFFIX) {
        return Err(error::unknown_attribute("FifoQueue"));
    }
    let name = QueueName::new(call.scope.clone(), &input.queue_name, fifo)?;
    let url = name.url(&call.origin);
    create(&sqs, Creation { name, attributes, tags: input.tags.unwrap_or_default() }).await?;
    Ok(CreateQueueResult { queue_url: Some(url) })
}

/// Makes a queue; one that is there already stays as it is, if no given attribute differs.
pub(crate) async fn create(sqs: &Sqs, creation: Creation) -> Result<(), Error> {
    let Creation { name, attributes, tags } = creation;
    let checked = settings::checked(&name, None, &attributes)?;
    check_tags(&tags)?;
    let directory = sqs.directory(&name.scope).await?;
    let known = directory.read(|directory| directory.get(&name.name).cloned()).await.map_err(error::internal)?;
    if let Some(known) = known {
        return same(&name, &known, &attributes);
    }
    check_redrive(sqs, &name, &attributes).await?;
    let id = sqs.fabric.entropy.u64();
    let created = directory.apply(|directory, tx| {
        if let Some(known) = directory.get(&name.name) {
            return same(&name, known, &attributes).map_err(Failed::Answer);
        }
        let now = tx.now();
        let record = Record { name: name.name.clone(), id, created: now, modified: now, attributes: checked, tags };
        directory.create(tx, record).map(drop).map_err(Failed::Answer)
    });
    Ok(created.await?)
}

/// Whether a queue has the attributes that are given.
fn same(name: &QueueName, known: &Record, given: &Attributes) -> Result<(), Error> {
    let shown = settings::shown(name, &known.attributes);
    let differs = |(attribute, value): &(&String, &String)| {
        let stored = shown.get(*attribute).map(String::as_str).unwrap_or_default();
        stored != value.as_str() && !same_json(stored, value)
    };
    match given.iter().find(differs) {
        Some((attribute, _)) => Err(error::queue_exists(attribute)),
        None => Ok(()),
    }
}

fn same_json(one: &str, other: &str) -> bool {
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok().filter(|value| value.is_object());
    matches!((read(one), read(other)), (Some(one), Some(other)) if one == other)
}

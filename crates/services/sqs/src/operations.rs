//! The operations of SQS, one file for each, or for each and its batch.

mod change_message_visibility;
mod create_queue;
mod delete_message;
mod delete_queue;
mod get_queue_attributes;
mod get_queue_url;
mod list_dead_letter_source_queues;
mod list_queues;
mod message_move_tasks;
mod permissions;
mod purge_queue;
mod receive_message;
mod send_message;
mod send_message_batch;
mod set_queue_attributes;
mod tags;

use std::sync::Arc;

use model_sqs as model;

use crate::service::Sqs;

pub(crate) use create_queue::{Creation, create};
pub(crate) use set_queue_attributes::{change, check_redrive};

pub(crate) fn api(sqs: Arc<Sqs>) -> Arc<wire::Api> {
    wire::Api::builder(&model::SERVICE, sqs)
        .on::<model::AddPermission, _, _, _>(permissions::add_permission)
        .on::<model::CancelMessageMoveTask, _, _, _>(message_move_tasks::cancel_message_move_task)
        .on::<model::ChangeMessageVisibility, _, _, _>(change_message_visibility::change_message_visibility)
        .on::<model::ChangeMessageVisibilityBatch, _, _, _>(change_message_visibility::change_message_visibility_batch)
        .on::<model::CreateQueue, _, _, _>(create_queue::create_queue)
        .on::<model::DeleteMessage, _, _, _>(delete_message::delete_message)
        .on::<model::DeleteMessageBatch, _, _, _>(delete_message::delete_message_batch)
        .on::<model::DeleteQueue, _, _, _>(delete_queue::delete_queue)
        .on::<model::GetQueueAttributes, _, _, _>(get_queue_attributes::get_queue_attributes)
        .on::<model::GetQueueUrl, _, _, _>(get_queue_url::get_queue_url)
        .on::<model::ListDeadLetterSourceQueues, _, _, _>(
            list_dead_letter_source_queues::list_dead_letter_source_queues,
        )
        .on::<model::ListMessageMoveTasks, _, _, _>(message_move_tasks::list_message_move_tasks)
        .on::<model::ListQueueTags, _, _, _>(tags::list_queue_tags)
        .on::<model::ListQueues, _, _, _>(list_queues::list_queues)
        .on::<model::PurgeQueue, _, _, _>(purge_queue::purge_queue)
        .on::<model::ReceiveMessage, _, _, _>(receive_message::receive_message)
        .on::<model::RemovePermission, _, _, _>(permissions::remove_permission)
        .on::<model::SendMessage, _, _, _>(send_message::send_message)
        .on::<model::SendMessageBatch, _, _, _>(send_message_batch::send_message_batch)
        .on::<model::SetQueueAttributes, _, _, _>(set_queue_attributes::set_queue_attributes)
        .on::<model::StartMessageMoveTask, _, _, _>(message_move_tasks::start_message_move_task)
        .on::<model::TagQueue, _, _, _>(tags::tag_queue)
        .on::<model::UntagQueue, _, _, _>(tags::untag_queue)
        .build()
}

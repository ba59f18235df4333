//! What is wrong with a SAM template, in the official translator's words.

/// A fault of one resource or of the document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TransformError {
    /// The sentence: `Resource with id [X] is invalid. …`.
    pub message: String,
    /// The resource that it is about, to find it in the text.
    pub logical_id: Option<String>,
}

impl TransformError {
    /// `Resource with id [X] is invalid. …`
    pub fn resource(logical_id: &str, sentence: impl AsRef<str>) -> TransformError {
        TransformError {
            message: format!("Resource with id [{logical_id}] is invalid. {}", sentence.as_ref()),
            logical_id: Some(logical_id.to_owned()),
        }
    }

    /// `Structure of the SAM template is invalid. …`
    pub fn structure(sentence: impl AsRef<str>) -> TransformError {
        let message = format!("Structure of the SAM template is invalid. {}", sentence.as_ref());
        TransformError { message, logical_id: None }
    }

    /// `'Globals' section is invalid. …`
    pub fn globals(sentence: impl AsRef<str>) -> TransformError {
        TransformError { message: format!("'Globals' section is invalid. {}", sentence.as_ref()), logical_id: None }
    }

    /// The path of what it is about, as [`template::Node::locate`] takes it.
    pub fn path(&self) -> String {
        self.logical_id.as_ref().map_or_else(String::new, |id| format!("/Resources/{id}"))
    }
}

/// All faults as the one sentence that the failed transform reports.
pub fn document_message(errors: &[TransformError]) -> String {
    let sentences = errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join(" ");
    format!(
        "Invalid Serverless Application Specification document. Number of errors found: {}. {sentences}",
        errors.len()
    )
}

/// A fault of an event: `Event with id [X] is invalid. …`, reported as one of its function.
pub fn event(function_id: &str, event_id: &str, sentence: impl AsRef<str>) -> TransformError {
    TransformError::resource(function_id, format!("Event with id [{event_id}] is invalid. {}", sentence.as_ref()))
}

/// A feature of SAM that Kobel does not transform.
pub fn unsupported(logical_id: &str, what: &str) -> TransformError {
    TransformError::resource(logical_id, format!("{what} is not supported by Kobel."))
}

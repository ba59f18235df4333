//! The functions that need nothing but their argument.

pub mod cidr;
pub mod sub;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::error::EvalError;
use crate::limits::STRING_BYTES_MAX;

/// A scalar as CloudFormation writes it into a string; `None` for lists and maps.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// `Fn::Join`: `[delimiter, list]`.
pub fn join(argument: &Value) -> Result<Value, EvalError> {
    let misuse = || {
        EvalError::new(
            "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of \
             strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined.",
        )
    };
    let Some([Value::String(delimiter), Value::Array(items)]) = argument.as_array().map(Vec::as_slice) else {
        return Err(misuse());
    };
    let parts: Option<Vec<String>> = items.iter().map(text).collect();
    bounded(parts.ok_or_else(misuse)?.join(delimiter)).map(Value::String)
}

/// `Fn::Split`: `[delimiter, text]`.
pub fn split(argument: &Value) -> Result<Value, EvalError> {
    let misuse = || {
        EvalError::new(
            "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string \
             to be split or a function that returns a string to be split.",
        )
    };
    let Some([Value::String(delimiter), source]) = argument.as_array().map(Vec::as_slice) else {
        return Err(misuse());
    };
    let source = text(source).ok_or_else(misuse)?;
    if delimiter.is_empty() {
        return Err(misuse());
    }
    Ok(source.split(delimiter.as_str()).map(|part| Value::String(part.to_owned())).collect())
}

/// `Fn::Select`: `[index, list]`, the index from 0 as number or string.
pub fn select(argument: &Value) -> Result<Value, EvalError> {
    let (index, items) = select_arguments(argument)?;
    match items.get(index) {
        Some(Value::Null) => {
            Err(EvalError::new("Template error: Fn::Select cannot select nonexistent value at index 0"))
        }
        Some(value) => Ok(value.clone()),
        None => {
            Err(EvalError::new(format!("Template error: Fn::Select cannot select nonexistent value at index {index}")))
        }
    }
}

/// `Fn::Select` of a list of which the items at `unknown` (pointers into the argument) are not known: `None` when
/// the selected one is among them.
pub fn select_partly(argument: &Value, unknown: &[String]) -> Result<Option<Value>, EvalError> {
    let inside_items = |path: &String| path.starts_with("/1/");
    if !unknown.iter().all(inside_items) {
        return Ok(None);
    }
    let (index, _) = select_arguments(argument)?;
    let selected = format!("/1/{index}");
    let is_selected = |path: &String| *path == selected || path.starts_with(&format!("{selected}/"));
    if unknown.iter().any(is_selected) || argument[1].as_array().is_none_or(|items| index >= items.len()) {
        return Ok(None);
    }
    select(argument).map(Some)
}

fn select_arguments(argument: &Value) -> Result<(usize, &[Value]), EvalError> {
    let misuse = || {
        EvalError::new(
            "Template error: Fn::Select requires a list argument with two elements: an integer index and a list",
        )
    };
    let Some([index, Value::Array(items)]) = argument.as_array().map(Vec::as_slice) else {
        return Err(misuse());
    };
    let index = text(index).and_then(|text| text.parse::<usize>().ok()).ok_or_else(misuse)?;
    Ok((index, items))
}

/// `Fn::Base64`.
pub fn base64(argument: &Value) -> Result<Value, EvalError> {
    let source = text(argument)
        .ok_or_else(|| EvalError::new("Template error: every Fn::Base64 object must have a String-typed value."))?;
    bounded(STANDARD.encode(source)).map(Value::String)
}

/// `Fn::Length`: how many items a list has.
pub fn length(argument: &Value) -> Result<Value, EvalError> {
    match argument {
        Value::Array(items) => Ok(Value::from(items.len())),
        _ => Err(EvalError::new("Template error: Fn::Length requires a list argument")),
    }
}

/// Refuses strings past [`STRING_BYTES_MAX`], which nested functions could otherwise double again and again.
pub(crate) fn bounded(text: String) -> Result<String, EvalError> {
    match text.len() > STRING_BYTES_MAX {
        true => {
            Err(EvalError::new(format!("Template error: a function makes a string of over {STRING_BYTES_MAX} bytes")))
        }
        false => Ok(text),
    }
}

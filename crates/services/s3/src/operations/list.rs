use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model_s3::{
    CommonPrefix, ListObjectsOutput, ListObjectsRequest, ListObjectsV2Output, ListObjectsV2Request,
    Object as ObjectEntry,
};
use percent_encoding::utf8_percent_encode;
use wire::{Call, Error};

use super::buckets::owner;
use super::head::{signed, storage_class};
use crate::error;
use crate::list::{Page, Query, list};
use crate::notification::KEY_ENCODED;
use crate::object::Head;
use crate::service::S3;

const KEYS_MAX: i32 = 1_000;

pub async fn list_objects(s3: Arc<S3>, call: Call, input: ListObjectsRequest) -> Result<ListObjectsOutput, Error> {
    let bucket = s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    let max = max_keys(input.max_keys)?;
    let query = Query {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref(),
        after: input.marker.as_deref(),
        max: max as usize,
    };
    let page = list(&s3.fabric, &s3.objects_base(&input.bucket).await?, &query).await?;
    let text = encoder(input.encoding_type.as_deref())?;
    let owned = Some(owner(&bucket.account));
    Ok(ListObjectsOutput {
        is_truncated: Some(page.next.is_some()),
        marker: Some(text(input.marker.as_deref().unwrap_or_default())),
        // Without a delimiter, clients go on after the last key.
        next_marker: page.next.as_deref().filter(|_| input.delimiter.is_some()).map(&text),
        contents: Some(contents(&page, &text, owned)),
        name: Some(input.bucket),
        prefix: Some(text(input.prefix.as_deref().unwrap_or_default())),
        delimiter: input.delimiter.as_deref().map(&text),
        max_keys: Some(max),
        common_prefixes: Some(common_prefixes(&page, &text)),
        encoding_type: input.encoding_type,
    })
}

pub async fn list_objects_v2(
    s3: Arc<S3>,
    call: Call,
    input: ListObjectsV2Request,
) -> Result<ListObjectsV2Output, Error> {
    let bucket = s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    let max = max_keys(input.max_keys)?;
    let token = input.continuation_token.as_deref().map(read_token).transpose()?;
    let query = Query {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref(),
        after: token.as_deref().or(input.start_after.as_deref()),
        max: max as usize,
    };
    let page = list(&s3.fabric, &s3.objects_base(&input.bucket).await?, &query).await?;
    let text = encoder(input.encoding_type.as_deref())?;
    let owned = input.fetch_owner.unwrap_or(false).then(|| owner(&bucket.account));
    let count = page.contents.len() + page.common_prefixes.len();
    Ok(ListObjectsV2Output {
        is_truncated: Some(page.next.is_some()),
        contents: Some(contents(&page, &text, owned)),
        name: Some(input.bucket),
        prefix: Some(text(input.prefix.as_deref().unwrap_or_default())),
        delimiter: input.delimiter.as_deref().map(&text),
        max_keys: Some(max),
        common_prefixes: Some(common_prefixes(&page, &text)),
        encoding_type: input.encoding_type,
        key_count: i32::try_from(count).ok(),
        continuation_token: input.continuation_token,
        next_continuation_token: page.next.as_deref().map(|next| URL_SAFE_NO_PAD.encode(next)),
        start_after: input.start_after.as_deref().map(&text),
    })
}

fn read_token(token: &str) -> Result<String, Error> {
    let wrong = || {
        let message = "The continuation token provided is incorrect";
        error::invalid_argument(message, "continuation-token", token)
    };
    let key = URL_SAFE_NO_PAD.decode(token).map_err(|_| wrong())?;
    String::from_utf8(key).map_err(|_| wrong())
}

fn max_keys(asked: Option<i32>) -> Result<i32, Error> {
    match asked {
        None => Ok(KEYS_MAX),
        Some(max) if max < 0 => {
            let message = "Argument maxKeys must be an integer between 0 and 2147483647";
            Err(error::invalid_argument(message, "maxKeys", &max.to_string()))
        }
        Some(max) => Ok(max.min(KEYS_MAX)),
    }
}

/// How names are written: as they are, or URL-encoded.
pub fn encoder(encoding: Option<&str>) -> Result<impl Fn(&str) -> String + use<>, Error> {
    let url = match encoding {
        None => false,
        Some("url") => true,
        Some(other) => {
            return Err(error::invalid_argument(
                "Invalid Encoding Method specified in Request",
                "encoding-type",
                other,
            ));
        }
    };
    Ok(move |text: &str| if url { utf8_percent_encode(text, KEY_ENCODED).to_string() } else { text.to_owned() })
}

fn contents(page: &Page, text: &impl Fn(&str) -> String, owner: Option<model_s3::Owner>) -> Vec<ObjectEntry> {
    let entry = |(key, head): &(String, Head)| ObjectEntry {
        key: Some(text(key)),
        last_modified: Some(head.modified),
        etag: Some(head.quoted_etag()),
        checksum_algorithm: Some(head.checksums.keys().cloned().collect()),
        checksum_type: head.checksum_type.clone(),
        size: Some(signed(head.size)),
        storage_class: Some(storage_class(head)),
        owner: owner.clone(),
    };
    page.contents.iter().map(entry).collect()
}

fn common_prefixes(page: &Page, text: &impl Fn(&str) -> String) -> Vec<CommonPrefix> {
    page.common_prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(text(prefix)) }).collect()
}

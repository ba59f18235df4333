//! Lists in pages: `MaxItems`, `Marker` and `NextMarker`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use wire::{Error, page_after};

use crate::error::invalid;

/// The items of one page, and the marker of the next, if there is one. `items` come in the order of their keys; a
/// page begins after the key that its marker holds, so that what is deleted meanwhile does no harm.
pub fn page<T>(
    items: impl IntoIterator<Item = (String, T)>,
    marker: Option<&str>,
    max_items: Option<i32>,
    page_max: usize,
) -> Result<(Vec<T>, Option<String>), Error> {
    let after = marker.filter(|marker| !marker.is_empty()).map(decode).transpose()?;
    let limit = max_items.and_then(|max| usize::try_from(max).ok()).unwrap_or(page_max).clamp(1, page_max);
    let (page, last) = page_after(items, |(key, _)| key, after.as_deref(), limit);
    Ok((page.into_iter().map(|(_, item)| item).collect(), last.map(|key| URL_SAFE_NO_PAD.encode(key))))
}

fn decode(marker: &str) -> Result<String, Error> {
    let bytes = URL_SAFE_NO_PAD.decode(marker).ok();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| invalid("Invalid Marker."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another_to_the_end() {
        let items = || ["a", "b", "c", "d", "e"].map(|key| (key.to_owned(), key));
        let mut marker = None;
        let mut pages = Vec::new();
        for _ in 0..3 {
            let (page, next) = page(items(), marker.as_deref(), Some(2), 50).expect("a page");
            pages.push(page);
            marker = next;
        }
        assert_eq!(pages, [vec!["a", "b"], vec!["c", "d"], vec!["e"]]);
        assert_eq!(marker, None);
        assert!(page(items(), Some("?"), None, 50).is_err());
    }
}

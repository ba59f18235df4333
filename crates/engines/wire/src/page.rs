/// One page of a list in the order of its keys: at most `max` items after the key `after`, and the last key of the
/// page where more follow. A page begins behind a key and not at a number, so that what is deleted meanwhile does
/// no harm.
pub fn page_after<T>(
    items: impl IntoIterator<Item = T>,
    key: impl Fn(&T) -> &str,
    after: Option<&str>,
    max: usize,
) -> (Vec<T>, Option<String>) {
    let mut rest = items.into_iter().filter(|item| after.is_none_or(|after| key(item) > after));
    let page: Vec<T> = rest.by_ref().take(max).collect();
    let more = rest.next().is_some();
    let last = page.last().filter(|_| more).map(|item| key(item).to_owned());
    (page, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another_to_the_end() {
        let page = |after| page_after(["a", "b", "c", "d"], |key| key, after, 2);
        assert_eq!(page(None), (vec!["a", "b"], Some("b".to_owned())));
        assert_eq!(page(Some("b")), (vec!["c", "d"], None));
        // Its own key may have been deleted.
        assert_eq!(page(Some("aa")), (vec!["b", "c"], Some("c".to_owned())));
        assert_eq!(page(Some("d")), (Vec::new(), None));
    }
}

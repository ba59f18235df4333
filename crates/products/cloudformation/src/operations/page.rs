use crate::error::validation;

/// One page of `items` from where `token` says, at most `count_max`, and the token of the next one.
pub fn page<T>(
    items: impl IntoIterator<Item = T>,
    token: Option<&str>,
    count_max: usize,
) -> Result<(Vec<T>, Option<String>), wire::Error> {
    let start = match token {
        None => 0,
        Some(token) => token.parse::<usize>().map_err(|_| validation("The NextToken is not valid."))?,
    };
    let mut items = items.into_iter().skip(start);
    let page: Vec<T> = items.by_ref().take(count_max).collect();
    let next = items.next().map(|_| (start + page.len()).to_string());
    Ok((page, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other() {
        let mut token = None;
        let mut seen = Vec::new();
        loop {
            let (items, next) = page(0..5, token.as_deref(), 2).expect("a page");
            seen.extend(items);
            token = next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, [0, 1, 2, 3, 4]);
        assert!(page(0..5, Some("x"), 2).is_err());
    }
}

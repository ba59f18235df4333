use super::*;

const LIMITS: StreamLimits = StreamLimits { bytes_max: 10, burst_bytes: 1 << 40, bytes_per_second: 1 };

fn chunk(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

async fn parts(mut reader: ResponseReader) -> Vec<ResponsePart> {
    let mut parts = Vec::new();
    while let Some(part) = reader.next().await {
        parts.push(part);
    }
    parts
}

#[tokio::test]
async fn a_stream_comes_in_order_and_ends_with_its_sender() {
    let (sender, reader) = response_stream(LIMITS);
    let mut sink = Sink::Stream(sender);
    sink.begin("").await;
    assert_eq!(sink.chunk(chunk("one")).await, Ok(()));
    assert_eq!(sink.chunk(chunk("two")).await, Ok(()));
    assert_eq!(sink.end(), Bytes::new());
    drop(sink);
    let begin = ResponsePart::Begin { content_type: "application/octet-stream".into() };
    assert_eq!(parts(reader).await, [begin, ResponsePart::Chunk(chunk("one")), ResponsePart::Chunk(chunk("two"))]);
}

#[tokio::test]
async fn what_fits_is_still_sent_when_the_limit_is_exceeded() {
    let (sender, reader) = response_stream(LIMITS);
    let mut sink = Sink::Stream(sender);
    assert_eq!(sink.chunk(chunk("12345678")).await, Ok(()));
    assert_eq!(sink.chunk(chunk("90x")).await, Err(TooLarge(10)));
    assert_eq!(sink.chunk(chunk("y")).await, Err(TooLarge(10)));
    drop(sink);
    assert_eq!(parts(reader).await, [ResponsePart::Chunk(chunk("12345678")), ResponsePart::Chunk(chunk("90"))]);
}

#[tokio::test]
async fn a_streamed_response_is_collected_for_who_wants_the_whole() {
    let mut sink = Sink::whole();
    sink.begin("text/plain").await;
    assert_eq!(sink.chunk(chunk("one")).await, Ok(()));
    assert_eq!(sink.chunk(chunk("two")).await, Ok(()));
    assert_eq!(sink.end(), chunk("onetwo"));
    let large = Bytes::from(vec![0; RESPONSE_BYTES_MAX + 1]);
    assert_eq!(sink.chunk(large).await, Err(TooLarge(RESPONSE_BYTES_MAX as u64)));
}

#[tokio::test]
async fn a_response_that_is_not_streamed_is_chunks_of_bounded_size() {
    let (sender, reader) = response_stream(StreamLimits::default());
    let body = Bytes::from(vec![b'x'; CHUNK_BYTES_MAX + 1]);
    let mut sink = Sink::Stream(sender);
    assert_eq!(sink.response(body).await, Ok(Bytes::new()));
    drop(sink);
    let sizes: Vec<_> = parts(reader)
        .await
        .into_iter()
        .map(|part| match part {
            ResponsePart::Begin { content_type } => content_type,
            ResponsePart::Chunk(bytes) => bytes.len().to_string(),
        })
        .collect();
    assert_eq!(sizes, ["application/json", "65536", "1"]);
}

#[tokio::test]
async fn a_reader_that_is_gone_holds_nobody_back() {
    let (sender, reader) = response_stream(StreamLimits::default());
    drop(reader);
    let mut sink = Sink::Stream(sender);
    let many = Bytes::from(vec![0; CHUNK_BYTES_MAX * (PARTS_MAX + 2)]);
    assert_eq!(sink.chunk(many).await, Ok(()));
}

#[test]
fn the_bandwidth_is_limited_after_the_burst() {
    let limits = StreamLimits::default();
    let due: Vec<u64> = [0, 6, 8, 10, 200].iter().map(|sent| limits.due(sent * MIB).as_secs()).collect();
    assert_eq!(due, [0, 0, 1, 2, 97]);
}

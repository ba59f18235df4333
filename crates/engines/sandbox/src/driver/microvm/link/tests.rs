use bytes::Bytes;
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;

use super::*;

/// Two links that are each other's other side.
fn pair() -> (Arc<Link>, Arc<Link>, mpsc::Receiver<Heard>, JoinHandle<io::Result<()>>) {
    let (left, right) = tokio::io::duplex(4096);
    let (here, _, _) = end(left);
    let (there, heard, reading) = end(right);
    (here, there, heard, reading)
}

fn end(stream: DuplexStream) -> (Arc<Link>, mpsc::Receiver<Heard>, JoinHandle<io::Result<()>>) {
    let (link, outgoing) = Link::new();
    let (reader, writer) = tokio::io::split(stream);
    tokio::spawn(outgoing.run(writer));
    let (sender, heard) = mpsc::channel(16);
    let own = link.clone();
    let reading = tokio::spawn(async move {
        let hear = |heard| assert!(sender.try_send(heard).is_ok());
        own.run(reader, hear).await
    });
    (link, heard, reading)
}

fn text(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[tokio::test]
async fn carries_messages_connections_and_bytes() {
    let (here, _there, mut heard, _) = pair();
    here.say(Message::Started).await.unwrap();
    let lane = here.lane(CONNECTION_LANES).unwrap();
    here.open(CONNECTION_LANES, Door::Endpoint).await.unwrap();
    lane.sender.send(text("one")).await.unwrap();
    lane.sender.end().await.unwrap();
    assert!(matches!(heard.recv().await, Some(Heard::Message(Message::Started))));
    let Some(Heard::Opened(mut opened, Door::Endpoint)) = heard.recv().await else { panic!("not opened") };
    assert_eq!(opened.receiver.receive().await, Some(text("one")));
    assert_eq!(opened.receiver.receive().await, None);
}

#[tokio::test]
async fn a_lane_that_is_not_read_holds_back_its_sender_alone() {
    let (here, there, _, _) = pair();
    let (full, other) = (here.lane(8).unwrap(), here.lane(9).unwrap());
    let (mut unread, mut read) = (there.lane(8).unwrap(), there.lane(9).unwrap());
    for _ in 0..WINDOW_FRAMES {
        full.sender.send(text("x")).await.unwrap();
    }
    let mut further = std::pin::pin!(full.sender.send(text("y")));
    tokio::select! {
        biased;
        _ = &mut further => panic!("sent beyond the window"),
        () = async { for _ in 0..100 { tokio::task::yield_now().await } } => {}
    }
    other.sender.send(text("past it")).await.unwrap();
    assert_eq!(read.receiver.receive().await, Some(text("past it")));
    assert_eq!(unread.receiver.receive().await, Some(text("x")));
    further.await.unwrap();
}

#[tokio::test]
async fn nothing_overtakes_what_was_written_before_it() {
    let (here, there, _, _) = pair();
    let (output, channel) = (here.lane(OUTPUT_LANE).unwrap(), here.lane(CHANNEL_LANE).unwrap());
    let (mut lines, mut answers) = (there.lane(OUTPUT_LANE).unwrap(), there.lane(CHANNEL_LANE).unwrap());
    output.sender.send(text("line")).await.unwrap();
    channel.sender.send(text("answer")).await.unwrap();
    let mut answer = std::pin::pin!(answers.receiver.receive());
    tokio::select! {
        biased;
        _ = &mut answer => panic!("overtook the line"),
        line = lines.receiver.receive() => assert_eq!(line, Some(text("line"))),
    }
    there.output_delivered();
    assert_eq!(answer.await, Some(text("answer")));
}

#[tokio::test]
async fn a_sender_hears_that_nobody_takes_its_data() {
    let (here, there, _, _) = pair();
    let (lane, mut taken) = (here.lane(8).unwrap(), there.lane(8).unwrap());
    taken.receiver.stop().await;
    while lane.sender.send(text("x")).await.is_ok() {}
}

#[tokio::test]
async fn who_breaks_the_rules_is_not_heard_any_more() {
    let (here, there, _, reading) = pair();
    let mut lane = there.lane(8).unwrap();
    for _ in 0..WINDOW_FRAMES + 2 {
        here.frames.send(Frame::Data { lane: 8, bytes: text("x") }).await.unwrap();
    }
    assert!(reading.await.unwrap().unwrap_err().to_string().contains("more than the window"));
    for _ in 0..=WINDOW_FRAMES {
        assert_eq!(lane.receiver.receive().await, Some(text("x")));
    }
    assert_eq!(lane.receiver.receive().await, None);
    assert!(there.lane(9).is_none(), "a closed link has no new lanes");
}

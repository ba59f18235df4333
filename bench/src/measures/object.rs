//! Objects in and out of a bucket, one client.

use std::time::Instant;

use crate::bench::Bench;
use crate::figure::{Figure, Unit};
use crate::request::Request;
use crate::server::Server;

const SIZES: [(&str, usize); 2] = [("1 KiB", 1024), ("1 MiB", 1024 * 1024)];
const BUCKET: &str = "bench-objects";

pub fn measure(bench: &mut Bench) -> Result<(), String> {
    let server = Server::serve(&bench.binary, bench.folder())?;
    let mut client = server.connect()?;
    client.expect(&Request::create_bucket(BUCKET))?;
    for (size, bytes) in SIZES {
        // A body that does not compress.
        let body: Vec<u8> = (0..bytes).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let (mut puts, mut gets) = (Vec::new(), Vec::new());
        for object in 0..bench.scale.objects {
            let key = format!("{bytes}/{object}");
            let put = Request::put_object(BUCKET, &key, &body);
            let begin = Instant::now();
            client.expect(&put)?;
            puts.push(begin.elapsed().as_secs_f64() * 1_000.0);
            let get = Request::get_object(BUCKET, &key);
            let begin = Instant::now();
            let got = client.expect(&get)?;
            gets.push(begin.elapsed().as_secs_f64() * 1_000.0);
            if got.body != body {
                return Err(format!("the object {key} is not what was put"));
            }
        }
        bench.add(Figure::samples(&format!("S3 PutObject, {size}, 1 client"), Unit::Milliseconds, puts));
        bench.add(Figure::samples(&format!("S3 GetObject, {size}, 1 client"), Unit::Milliseconds, gets));
    }
    Ok(())
}

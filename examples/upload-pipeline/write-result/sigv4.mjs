// Signature Version 4 for a request without a query string.
import { createHash, createHmac } from "node:crypto";

/** The Authorization header. `headers` has lower-case names and holds host and x-amz-date. */
export function sign({ method, path, headers, payloadSha256, region, service, accessKeyId, secretAccessKey }) {
  const timestamp = headers["x-amz-date"];
  const date = timestamp.slice(0, 8);
  const scope = `${date}/${region}/${service}/aws4_request`;
  const names = Object.keys(headers).sort();
  const canonicalHeaders = names.map((name) => `${name}:${headers[name].trim()}\n`).join("");
  const canonicalRequest = [method, path, "", canonicalHeaders, names.join(";"), payloadSha256].join("\n");
  const digest = createHash("sha256").update(canonicalRequest).digest("hex");
  const stringToSign = ["AWS4-HMAC-SHA256", timestamp, scope, digest].join("\n");

  const key = [date, region, service, "aws4_request"].reduce(hmac, `AWS4${secretAccessKey}`);
  const signature = hmac(key, stringToSign).toString("hex");
  return `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names.join(";")}, Signature=${signature}`;
}

/** Encodes each segment of an object's path as S3 expects it in the canonical request. */
export function encodePath(path) {
  const reserved = /[!'()*]/g;
  const encode = (segment) =>
    encodeURIComponent(segment).replace(reserved, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  return path.split("/").map(encode).join("/");
}

function hmac(key, text) {
  return createHmac("sha256", key).update(text).digest();
}

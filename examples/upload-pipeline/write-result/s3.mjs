// PutObject: with the AWS SDK, which the managed runtime brings; where it is not installed, with one signed request.
import { createHash } from "node:crypto";
import { encodePath, sign } from "./sigv4.mjs";

const endpoint = process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL;
const sdk = await import("@aws-sdk/client-s3").catch((error) => {
  if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
  return null;
});
const client = sdk && new sdk.S3Client({ forcePathStyle: endpoint !== undefined });

export async function putObject({ bucket, key, body, contentType }) {
  if (client) {
    const input = { Bucket: bucket, Key: key, Body: body, ContentType: contentType };
    await client.send(new sdk.PutObjectCommand(input));
    return;
  }
  await putSigned({ bucket, key, body, contentType });
}

async function putSigned({ bucket, key, body, contentType }) {
  const region = process.env.AWS_REGION;
  const base = new URL(endpoint ?? `https://s3.${region}.amazonaws.com`);
  const path = `/${encodePath(`${bucket}/${key}`)}`;
  const headers = {
    "content-type": contentType,
    host: base.host,
    "x-amz-content-sha256": createHash("sha256").update(body).digest("hex"),
    "x-amz-date": new Date().toISOString().replace(/[:-]|\.\d{3}/g, ""),
  };
  if (process.env.AWS_SESSION_TOKEN) headers["x-amz-security-token"] = process.env.AWS_SESSION_TOKEN;
  const authorization = sign({
    method: "PUT",
    path,
    headers,
    payloadSha256: headers["x-amz-content-sha256"],
    region,
    service: "s3",
    accessKeyId: process.env.AWS_ACCESS_KEY_ID,
    secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY,
  });

  // fetch sets the host itself.
  const { host, ...sent } = headers;
  const response = await fetch(new URL(path, base), {
    method: "PUT",
    headers: { ...sent, authorization },
    body,
    signal: AbortSignal.timeout(5_000),
  });
  if (!response.ok) throw new Error(`S3 answered ${response.status} to PUT ${path}: ${await response.text()}`);
}

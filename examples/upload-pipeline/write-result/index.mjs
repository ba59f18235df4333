// Writes each summary that arrives on the success queue to the result bucket.
import { putObject } from "./s3.mjs";

/** Names the messages that failed, so that only those come back (ReportBatchItemFailures). */
export async function handler(event) {
  const outcomes = await Promise.allSettled(event.Records.map(writeResult));
  const batchItemFailures = [];
  outcomes.forEach((outcome, i) => {
    if (outcome.status === "rejected") {
      console.error(`failed to write the result of message ${event.Records[i].messageId}:`, outcome.reason);
      batchItemFailures.push({ itemIdentifier: event.Records[i].messageId });
    }
  });
  return { batchItemFailures };
}

async function writeResult(message) {
  // The body is the record of the Python function's success.
  const record = JSON.parse(message.body);
  const summary = record.responsePayload;
  const result = {
    ...summary,
    requestId: record.requestContext.requestId,
    attempts: record.requestContext.approximateInvokeCount,
    summarizedAt: record.timestamp,
  };
  const key = `results/${summary.key}.json`;
  await putObject({
    bucket: process.env.RESULT_BUCKET,
    key,
    body: JSON.stringify(result, null, 2) + "\n",
    contentType: "application/json",
  });
  console.log(`wrote s3://${process.env.RESULT_BUCKET}/${key}`);
}

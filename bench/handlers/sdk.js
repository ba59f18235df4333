require('@aws-sdk/client-s3');
require('@aws-sdk/client-dynamodb');

exports.handler = async (event) => event;

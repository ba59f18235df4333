exports.handler = (event, context, callback) => callback(null, { commonjs: event });

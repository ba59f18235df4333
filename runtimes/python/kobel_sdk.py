"""Loads the runtime's AWS SDK into a stem: functions that import it find it loaded, and its models parsed.

What is left behind must be what an import in the function itself would leave. Where that is not so, `load` fails,
and functions do without.
"""

import gc
import os
import random

# Whose models are parsed ahead: what functions use most.
SERVICES = ["dynamodb", "events", "lambda", "s3", "secretsmanager", "sns", "sqs", "ssm", "stepfunctions", "sts"]
# Data that clients of every service load.
COMMON_DATA = ["_retry", "endpoints", "partitions", "sdk-default-configuration"]
# What creating a client loads of its service.
SERVICE_DATA = ["service-2", "endpoint-rule-set-1"]
# Variables that the SDK may read when it is imported, by the start of their names: functions that set one are
# not forked from here. Those that Lambda sets itself, of which the stem is told, are not among them.
READABLE = ("HOME", "AWS_", "BOTO", "APPENGINE_RUNTIME")


def load():
    set_by_lambda = tuple(os.environ.pop("_KOBEL_SET_BY_LAMBDA").split(","))
    read = names_read_by(import_sdk)
    captured = [name for name in read if not name.startswith(READABLE) or name.startswith(set_by_lambda)]
    if captured:
        raise RuntimeError("the SDK reads %s when it is imported" % ", ".join(sorted(captured)))
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        raise RuntimeError("the SDK runs %d threads when it is imported" % (threads - 1))
    generators = [one for one in gc.get_objects() if type(one) is random.Random and one is not random._inst]
    if generators:
        raise RuntimeError("the SDK holds random generators when it is imported")
    warm_loaders()


def import_sdk():
    import boto3


def names_read_by(function):
    """The variables that are read while `function` runs."""
    read = set()
    variables = type(os.environ)
    original = variables.__getitem__

    def note(self, name):
        read.add(name)
        return original(self, name)

    variables.__getitem__ = note
    try:
        function()
    finally:
        variables.__getitem__ = original
    return read


def warm_loaders():
    """Does ahead what creating clients does with the SDK's data: listing it and parsing it."""
    import boto3
    from botocore.loaders import JSONFileLoader, Loader

    own_data = [Loader.BUILTIN_DATA_PATH, os.path.join(os.path.dirname(boto3.__file__), "data")]
    loader = Loader(include_default_search_paths=False, extra_search_paths=own_data)
    list_ahead(Loader, loader)
    parse_ahead(JSONFileLoader, loader)


def list_ahead(Loader, loader):
    """Which services there are is listed once; where there is more data than the SDK's own, again."""
    search = Loader.list_available_services
    listed = {name: search(loader, name) for name in SERVICE_DATA}
    own_data = set(loader.search_paths)

    def list_available_services(self, type_name):
        is_own = {path for path in self.search_paths if os.path.isdir(path)} == own_data
        return list(listed[type_name]) if is_own and type_name in listed else search(self, type_name)

    Loader.list_available_services = list_available_services


def parse_ahead(JSONFileLoader, loader):
    """The first one in a process who loads a file of the SDK's data gets what was parsed here: theirs to change."""
    from botocore.exceptions import DataNotFoundError, UnknownServiceError

    load_file = JSONFileLoader.load_file
    parsed = {}

    def note(self, file_path):
        data = load_file(self, file_path)
        if data is not None:
            parsed[file_path] = data
        return data

    def take(self, file_path):
        data = parsed.pop(file_path, None)
        return load_file(self, file_path) if data is None else data

    JSONFileLoader.load_file = note
    loads = [(loader.load_data, (name,)) for name in COMMON_DATA]
    loads += [(loader.load_service_model, (service, name)) for service in SERVICES for name in SERVICE_DATA]
    for load_data, arguments in loads:
        try:
            load_data(*arguments)
        except (DataNotFoundError, UnknownServiceError):
            pass
    # Anew: loading a service's model has changed what was parsed for it.
    for file_path in parsed:
        parsed[file_path] = load_file(loader.file_loader, file_path)
    JSONFileLoader.load_file = take

"""One environment deployed, and destroyed: the bucket of artefacts, the root stack, the configurations of its jobs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from streamjoin.aws.clients import aws_client
from streamjoin.aws.storage import bucket_and_key
from streamjoin.config.file import RawConfig
from streamjoin.errors import StackError
from streamjoin.stacks.artefacts import WHEELS, Release, calling, copy_below, objects_below
from streamjoin.stacks.configuration import configuration
from streamjoin.stacks.environment import Environment
from streamjoin.stacks.outputs import Outputs
from streamjoin.stacks.stack import Deployed, Stack, Tell, outputs_of
from streamjoin.stacks.written import beside, object_name, read_base, read_deployed

Say = Callable[[str], None]

_ROOT_TEMPLATE: Final = "infra/streamjoin.yaml"
_PREFIX: Final = "streamjoin"
# Parameters of the root that the bucket of artefacts has too.
_SHARED: Final = frozenset({"KeepData", "KmsKeyArn"})


@dataclass(frozen=True)
class Deployment:
    """An environment, to be deployed from a repository.

    Args:
        environment: Its stack, parameters and files.
        root: The repository.
        version: Of the package.
        say: Takes what is done, line by line.
        tell: Takes what happens to the stacks.
    """

    environment: Environment
    root: Path
    version: str
    say: Say
    tell: Tell

    @property
    def stack(self) -> Stack:
        """The root stack."""
        return Stack(self.environment.name, aws_client("cloudformation"))

    @property
    def artefacts(self) -> Stack:
        """The stack of the bucket that the root is read from."""
        return Stack(f"{self.environment.name}-artefacts", aws_client("cloudformation"))

    def described(self) -> list[tuple[Stack, dict[str, Any]]]:
        """Return the root and the bucket's stack, as far as they are there, with what the service says of each.

        Raises:
            StackError: One of them is another's: to change it would be to delete all that is in it.
        """
        there = []
        for stack in (self.stack, self.artefacts):
            if (found := stack.described()) is None:
                continue
            given = {each["ParameterKey"]: each.get("ParameterValue") for each in found.get("Parameters", ())}
            # As every stack of the templates has them.
            if given.get("Name") != self.environment.name or "KeepData" not in given:
                message = (
                    f"stack '{stack.name}' is there, and was not made of infra/: its parameters are "
                    f"{', '.join(sorted(given)) or 'none'}, expected Name={self.environment.name}, KeepData and more. "
                    "It is left as it is. Give the environment another name: in its file"
                )
                raise StackError(message)
            there.append((stack, found))
        return there

    def deploy(self, release: str | None = None) -> Deployed:
        """Make the environment what its file, the templates and the files of its jobs say.

        Args:
            release: Of which files; one that was deployed before. Default: those of the repository as it is.

        Returns:
            What became of the root stack.

        Raises:
            StackError: Something failed; what a stack was is what it is.
            ConfigError: A job's file has problems. The stack is deployed then; its jobs have the files they had.
        """
        for path in self.environment.configurations.values():
            # A file that isn't there, or isn't YAML, is told before anything is made.
            read_base(str(self.root / path))
        there = {stack.name: found for stack, found in self.described()}
        if release is None:
            # Likewise a parameter that there is none of; an earlier release may have others.
            self.stack.known({"TemplateBody": (self.root / _ROOT_TEMPLATE).read_text()}, self.environment.parameters)
        bucket = self._artefacts_bucket()
        prefix = f"{_PREFIX}/{self._release(bucket, release)}"
        if self.environment.name in there:
            self._keep_configurations(there[self.environment.name], bucket, f"{prefix}/conf")
        region = aws_client("cloudformation").meta.region_name
        done = self.stack.deploy(
            {"TemplateURL": f"https://s3.{region}.amazonaws.com/{bucket}/{prefix}/{_ROOT_TEMPLATE}"},
            {**self.environment.parameters, **self._own(bucket, prefix)},
            self.tell,
            tags=self.environment.tags,
        )
        self.say(f"stack '{self.environment.name}' {done}")
        self._configure()
        return done

    def outputs(self) -> Outputs:
        """Return what the root stack says of itself.

        Raises:
            StackError: It isn't there, or isn't usable.
        """
        return Outputs(self.environment.name, self.stack.outputs())

    def configured(self, outputs: Outputs) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the object and the configuration of each job that the stack has.

        Raises:
            StackError: A job's file doesn't fit the stack, or none is given for a job that needs one.
            ConfigError: It has problems.
        """
        for job in ("enrich", "capture", "replicate"):
            if outputs.has(job):
                yield object_name(job), self._configuration(outputs, job)
        if outputs.has("backfill"):
            for table in outputs.tables("CaptureTables"):
                yield object_name("backfill", table.name), self._configuration(outputs, "backfill", table.name)

    def _artefacts_bucket(self) -> str:
        self.say(f"stack '{self.artefacts.name}': the bucket of templates, scripts, wheels and configurations")
        template = (self.root / "infra" / "artefacts.yaml").read_text()
        parameters = self.environment.parameters
        given = {"Name": self.environment.name}
        given |= {key: value for key, value in parameters.items() if key in _SHARED}
        self.artefacts.deploy({"TemplateBody": template}, given, self.tell, tags=self.environment.tags)
        return self.artefacts.outputs()["ArtefactsBucket"]

    def _release(self, bucket: str, wanted: str | None) -> str:
        s3 = aws_client("s3")
        if wanted is None:
            release = Release(self.root, self.version, self._bundle)
            self.say(f"release {release.name}, to s3://{bucket}/{_PREFIX}/{release.name}/")
            if not release.upload(s3, bucket, f"{_PREFIX}/{release.name}", lambda line: self.say(f"  {line}")):
                self.say("  all of it is there already")
            return release.name
        there = {key.split("/")[1] for key in objects_below(s3, bucket, f"{_PREFIX}/") if key.endswith(_ROOT_TEMPLATE)}
        if wanted not in there:
            message = f"bucket '{bucket}' has no release '{wanted}'; it has: {', '.join(sorted(there)) or 'none'}"
            raise StackError(message)
        self.say(f"release {wanted}, as it was uploaded")
        return wanted

    @property
    def _bundle(self) -> str | None:
        modules = self.environment.parameters.get("PythonModules", "")
        return modules.removeprefix(WHEELS) if modules.startswith(WHEELS) else None

    def _own(self, bucket: str, prefix: str) -> dict[str, str]:
        own = {"Name": self.environment.name, "ArtefactsBucket": bucket, "ArtefactsPrefix": prefix}
        # What the file names by its place in the release; where that is, nobody knows before.
        return (
            own if self._bundle is None else {**own, "PythonModules": f"s3://{bucket}/{prefix}/{WHEELS}{self._bundle}"}
        )

    def _keep_configurations(self, stack: dict[str, Any], bucket: str, target: str) -> None:
        """Let a job that restarts while its stack is updated find the configuration that it had."""
        source_bucket, source = bucket_and_key(outputs_of(stack).get("ConfigurationUri", ""))
        if source_bucket == bucket and source != target:
            copy_below(aws_client("s3"), bucket, source, target)

    def _configuration(self, outputs: Outputs, job: str, table: str | None = None) -> dict[str, Any]:
        path = self.environment.configurations.get(job)  # type: ignore[call-overload]
        if path is not None:
            base: RawConfig | None = read_base(str(self.root / path))
            found = beside(str(self.root / path))
        else:
            base = read_deployed(f"{outputs['ConfigurationUri']}/{object_name(job, table)}")
            found = beside(str(self.root / "conf" / "any.yaml"))
        return configuration(
            outputs, job, base, table=table, placed=lambda named: self._uploaded(outputs, found(named))
        )

    def _uploaded(self, outputs: Outputs, path: str) -> str:
        """Put a file that a configuration names where the job finds it; one that isn't there is told by the check."""
        local = Path(path.removeprefix("file://"))
        if path.startswith("s3://") or not local.is_file():
            return path
        uri = f"{outputs['ConfigurationUri']}/files/{local.name}"
        self._put(uri, local.read_bytes())
        return uri

    def _configure(self) -> None:
        outputs = self.outputs()
        for name, values in self.configured(outputs):
            uri = f"{outputs['ConfigurationUri']}/{name}"
            text = f"# Made by make deploy from stack '{self.environment.name}'.\n"
            self._put(uri, (text + yaml.safe_dump(values, sort_keys=False, width=110, allow_unicode=True)).encode())
            self.say(f"configuration {uri}")

    def _put(self, uri: str, content: bytes) -> None:
        bucket, key = bucket_and_key(uri)
        with calling(f"writing '{uri}'"):
            aws_client("s3").put_object(Bucket=bucket, Key=key, Body=content)

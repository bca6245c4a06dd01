"""What is told before a deployment makes anything."""

import pytest

from streamjoin.errors import StackError
from streamjoin.stacks import deployment
from streamjoin.stacks.deployment import Deployment
from streamjoin.stacks.environment import Environment
from tests.documents import ROOT
from tests.unit.stacks.cloudformation import Service


def test_a_parameter_that_there_is_none_of_is_told_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service()
    service.template_parameters = ["Name", "KeepData"]
    monkeypatch.setattr(deployment, "aws_client", lambda name: service)
    said = list[str]()
    environment = Environment(name="s", parameters={"KeepDate": "Delete"})
    with pytest.raises(StackError, match="no parameter KeepDate; did you mean 'KeepData'"):
        Deployment(environment, ROOT, "0", said.append, lambda event: None).deploy()
    assert said == []
    assert service.named("create_change_set") == []

"""Where a bucket is, asked of S3."""

from typing import Any, Final

from botocore.exceptions import ClientError

from streamjoin.aws.clients import aws_client
from streamjoin.aws.errors import Remedies, is_of_credentials, translated
from streamjoin.errors import SinkError

_REMEDIES: Final = Remedies(
    missing="Create the bucket, or correct the path.",
    denied="Allow s3:ListBucket on the bucket to the job's role.",
    throttled="Start it again.",
    unreachable="Check the network, the credentials, AWS_REGION, AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_S3.",
)


def region_of(bucket: str) -> str:
    """Return the region of a bucket; the SDK's if S3 doesn't say.

    Raises:
        SinkError: S3 can't be reached, or refuses the credentials. Whether this caller may look into the bucket, and
            whether it is there, is left to the next call.
        AwsSettingsError: No client can be made, as without credentials.
    """
    client = aws_client("s3", attempts=3)
    with translated(SinkError, f"bucket '{bucket}': HeadBucket", _REMEDIES):
        try:
            answer: dict[str, Any] = client.head_bucket(Bucket=bucket)
        except ClientError as error:
            answer = dict(error.response)
            if answer["ResponseMetadata"]["HTTPStatusCode"] == 400:
                _refuse_credentials(client, bucket)
    said = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
    return str(said or client.meta.region_name)


def _refuse_credentials(client: Any, bucket: str) -> None:
    """Raise if it is for the credentials that a bucket can't be asked: an answer to HEAD has no words."""
    try:
        client.get_bucket_location(Bucket=bucket)
    except ClientError as error:
        if is_of_credentials(error):
            raise

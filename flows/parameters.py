"""Types of flow parameters: what Prefect's form offers, and refuses before a run starts."""

from typing import Annotated, Literal

from pydantic import Field

LongTitles = Literal["reject", "cut"]
Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]

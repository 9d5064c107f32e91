"""Types of flow parameters, which Prefect validates before a run starts."""

from typing import Annotated, Literal

from pydantic import Field

LongTitles = Literal["reject", "cut"]
Quoting = Literal["csv", "none"]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Files = Annotated[list[str], Field(min_length=1)]

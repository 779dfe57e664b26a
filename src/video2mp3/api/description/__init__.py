"""The API's description: what /openapi.json has beyond the routes' own declarations, and the pages made from it."""

from video2mp3.api.description.openapi import complete, operation_id
from video2mp3.api.description.texts import TITLE, introduction

__all__ = ["TITLE", "complete", "introduction", "operation_id"]

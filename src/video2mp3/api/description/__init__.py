"""The API's description: what /openapi.json has beyond the routes' own declarations, and the pages made from it."""

from video2mp3.api.description.openapi import complete, operation_id
from video2mp3.api.description.texts import INTRODUCTION, TITLE

__all__ = ["INTRODUCTION", "TITLE", "complete", "operation_id"]

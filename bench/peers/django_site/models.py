"""The people and groups that django-scim2 serves, with the indexes that its queries can use."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Upper
from django_scim.models import AbstractSCIMGroupMixin, AbstractSCIMUserMixin


class Group(AbstractSCIMGroupMixin, models.Model):
    """A group."""

    name = models.CharField(max_length=255, unique=True)


class User(AbstractSCIMUserMixin, AbstractUser):
    """A person."""

    scim_groups = models.ManyToManyField(Group, related_name="user_set")

    class Meta:
        indexes = [models.Index(Upper("username"), name="user_upper_username")]  # noqa: RUF012 - Django's own way.

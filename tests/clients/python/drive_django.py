"""Django on psycopg 3: `inspectdb` of three schemas, models made from it, and its ORM."""

import io
from functools import cache

import django
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection, models, transaction
from steps import DATABASE, HOST, PASSWORD, PORT, USER, error, failure, tell

OPTIONS = {"options": "-c search_path=app,public,trade", "server_side_binding": True}


def _configure() -> None:
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": DATABASE,
        "USER": USER,
        "PASSWORD": PASSWORD,
        "HOST": HOST,
        "PORT": PORT,
        "OPTIONS": OPTIONS,
    }
    settings.configure(DATABASES={"default": database}, INSTALLED_APPS=[], USE_TZ=True)
    django.setup()


@cache
def _model() -> type[models.Model]:
    class User(models.Model):
        """As inspectdb would write it, in short."""

        username = models.CharField(max_length=150)
        is_staff = models.BooleanField()
        preferences = models.JSONField()

        class Meta:
            """Nothing is made in the database."""

            app_label = "client"
            db_table = "users"
            managed = False

    return User


def version() -> object:
    return django.__version__


def inspected() -> object:
    text = io.StringIO()
    call_command("inspectdb", include_views=True, include_partitions=True, stdout=text)
    return text.getvalue().splitlines()


def queried() -> object:
    user = _model()
    found = user.objects.filter(is_staff=True, preferences__theme="light").order_by("id")
    return (
        list(found.values_list("id", "username")),
        user.objects.aggregate(models.Count("id")),
        found.exists(),
    )


def iterated_in_transaction() -> object:
    with transaction.atomic():
        return [one.id for one in _model().objects.order_by("id").iterator(chunk_size=10)]


def iterated() -> object:
    return [one.id for one in _model().objects.order_by("id").iterator(chunk_size=10)]


def explained() -> object:
    return bool(_model().objects.filter(id=1).explain())


def transactions() -> object:
    with transaction.atomic():
        before = _model().objects.count()
        try:
            with transaction.atomic():
                _model().objects.create(username="new", is_staff=False, preferences={})
        except DatabaseError as raised:
            return before, error(raised.__cause__), _model().objects.count()
    return "written"


def raw() -> object:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, title FROM posts WHERE id = %s", [3])
        return cursor.fetchall(), connection.pg_version // 10000


def migration_state() -> object:
    return failure(lambda: call_command("showmigrations", stdout=io.StringIO()))


def main() -> None:
    _configure()
    for step in (
        version,
        inspected,
        queried,
        iterated_in_transaction,
        iterated,
        explained,
        transactions,
        raw,
        migration_state,
    ):
        try:
            tell(step.__name__, step())
        except Exception as raised:
            tell(step.__name__, raised.__cause__ or raised)
    connection.close()
    tell("end", 1)


if __name__ == "__main__":
    main()

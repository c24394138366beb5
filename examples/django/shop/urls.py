"""The pages of the shop."""
from django.urls import path

from shop import views

urlpatterns = [
    path("", views.page, name="page"),
    path("login", views.login),
    path("upload", views.upload),
    path("download/<int:size>", views.download),
    path("stream", views.stream),
    path("echo/<path:rest>", views.echo),
    path("fail", views.fail),
]

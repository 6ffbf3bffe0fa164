"""Mounted at /api/v1/."""

from django.urls import path

from mcp_platform.metadata.api import rows, versions

urlpatterns = [
    path("product-metadata", versions.MetadataView.as_view(), name="metadata"),
    path("product-metadata/document", versions.DocumentView.as_view(), name="metadata-document"),
    path("product-metadata/schema", versions.SchemaView.as_view(), name="metadata-schema"),
    path("product-metadata/validate", versions.ValidationView.as_view(), name="metadata-validate"),
    path("product-metadata/publish", versions.PublishView.as_view(), name="metadata-publish"),
    path("product-metadata/resolve", versions.ResolutionView.as_view(), name="metadata-resolve"),
    path("product-metadata/products", rows.ProductsView.as_view(), name="metadata-products"),
    path("product-metadata/products/<str:product_key>", rows.ProductView.as_view(), name="metadata-product"),
    path("product-metadata/columns", rows.MappingsView.as_view(), name="metadata-columns"),
    path("product-metadata/columns/<uuid:mapping_id>", rows.MappingView.as_view(), name="metadata-column"),
    path("product-metadata/versions", versions.VersionsView.as_view(), name="metadata-versions"),
    path("product-metadata/versions/<int:version_number>", versions.VersionView.as_view(), name="metadata-version"),
    path("product-metadata/versions/<int:version_number>/diff", versions.VersionDiffView.as_view(), name="metadata-version-diff"),
    path("product-metadata/versions/<int:version_number>/rollback", versions.RollbackView.as_view(), name="metadata-version-rollback"),
    path("product-metadata/versions/<int:version_number>/restore", versions.RestoreView.as_view(), name="metadata-version-restore"),
]

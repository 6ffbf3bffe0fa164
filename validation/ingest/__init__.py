"""Reading and writing building models: IFC in a child process, neutral JSON, meshes. The only importers of IFC libraries."""

"""The monthly operation report (二级节点系统运行月报): its figures, its documents, and sending it (contract 6)."""
